package mysqlstore

import (
	"context"
	"database/sql"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A mark is where a row is in the index on reap_after.
type mark struct{ after, key []byte }

// Reap implements [driver.Store].
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (result driver.ReapResult, err error) {
	// It starts after the mark of the previous batch. From the first row, each batch would
	// read past the rows that all those before deleted, which stay in the index until they
	// are purged: that was most of its time.
	from := s.reaped.Load()
	var last *mark
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		result.Deleted, last, err = s.reapOnce(ctx, req.Limit, from)
		return err
	})
	s.reaped.Store(last)
	// After the last batch it starts from the first row once more, because of rows that were locked.
	result.More = err == nil && (last != nil || from != nil)
	return result, s.wrap(ctx, "reap", err)
}

// reapOnce looks at the rows after a mark. It returns the mark of the last of them,
// or nil when there are no more.
//
// It needs several statements, and so a transaction: MySQL has no DELETE with SKIP LOCKED.
// READ COMMITTED takes no locks on the gaps between rows.
func (s *Store) reapOnce(ctx context.Context, limit int, from *mark) (deleted int, last *mark, err error) {
	tx, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	dead, living, last, err := s.due(ctx, tx, limit, from)
	if err != nil {
		return 0, nil, err
	}
	if deleted, err = onKeys(ctx, tx, s.sql.deleteDead, dead); err != nil {
		return 0, nil, err
	}
	if _, err := onKeys(ctx, tx, s.sql.postpone, living); err != nil {
		return 0, nil, err
	}
	// Where several servers take writes, this is where one of them wins.
	if err := tx.Commit(); err != nil {
		return 0, nil, err
	}
	if len(dead)+len(living) < limit {
		last = nil
	}
	return deleted, last, nil
}

// due locks the first rows after a mark that are due, and returns their keys.
func (s *Store) due(ctx context.Context, tx *sql.Tx, limit int, from *mark) (dead, living []any, last *mark, err error) {
	query, args := s.sql.selectDue, []any{limit}
	if from != nil {
		query, args = s.sql.selectNext, []any{from.after, from.after, from.key, limit}
	}
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		last = &mark{}
		var expired bool
		if err := rows.Scan(&last.key, &last.after, &expired); err != nil {
			return nil, nil, nil, err
		}
		if expired {
			dead = append(dead, last.key)
		} else {
			living = append(living, last.key)
		}
	}
	return dead, living, last, rows.Err()
}
