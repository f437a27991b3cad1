package mysqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sqlsessions/sessions/internal/retry"
)

// A mark is where a row is in the index on reap_after.
type mark struct{ after, key []byte }

// DeleteExpired implements [sessions.Store].
func (s *Store) DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error) {
	// Behind the mark of the batch before. From the start, each would go over the rows that all
	// those before have deleted, which stay in the index until they are purged: most of its time.
	from := s.reaped.Load()
	var last *mark
	err = retry.Do(ctx, retry.Few, transient, func() error {
		deleted, last, err = s.deleteExpiredOnce(ctx, limit, from)
		return err
	})
	s.reaped.Store(last)
	// At the end once more from the start, for rows that were passed over because somebody held them.
	more = err == nil && (last != nil || from != nil)
	return deleted, more, s.wrap("delete expired", err)
}

// deleteExpiredOnce looks at the rows behind a mark, and returns the one it came to, or nil
// when that was the last.
//
// It needs several statements, and so a transaction: MySQL has no DELETE with SKIP LOCKED.
// READ COMMITTED takes no locks on the gaps between rows.
func (s *Store) deleteExpiredOnce(ctx context.Context, limit int, from *mark) (deleted int, last *mark, err error) {
	tx, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	dead, living, last, err := s.due(ctx, tx, limit, from)
	if err != nil {
		return 0, nil, err
	}
	if deleted, err = onKeys(ctx, tx, s.sql.deleteExpired, dead); err != nil {
		return 0, nil, err
	}
	if _, err := onKeys(ctx, tx, s.sql.moveOn, living); err != nil {
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

// due locks the first rows behind a mark whose own has come, and returns their keys.
func (s *Store) due(ctx context.Context, tx *sql.Tx, limit int, from *mark) (dead, living []any, last *mark, err error) {
	query, args := s.sql.selectDue, []any{limit}
	if from != nil {
		query, args = s.sql.selectBehind, []any{from.after, from.after, from.key, limit}
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

// onKeys runs a statement on the rows with these keys, and returns how many it changed.
func onKeys(ctx context.Context, tx *sql.Tx, query string, keys []any) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	marks := strings.Repeat("?,", len(keys))
	result, err := tx.ExecContext(ctx, strings.Replace(query, "$KEYS", marks[:len(marks)-1], 1), keys...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// CountExpired implements [sessions.Store].
func (s *Store) CountExpired(ctx context.Context) (n int, err error) {
	err = s.db.QueryRow(ctx, s.sql.countExpired, nil, &n)
	return n, s.wrap("count expired", err)
}
