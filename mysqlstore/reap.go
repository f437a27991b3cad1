package mysqlstore

import (
	"context"
	"database/sql"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A mark is where a row is in the index on reap_after.
type mark struct{ after, key []byte }

func (t *table) Reap(ctx context.Context, req driver.ReapRequest) (result driver.ReapResult, err error) {
	// It starts after the mark of the previous batch. From the first row, each batch would
	// read past the rows that all those before deleted, which stay in the index until they
	// are purged: that was most of its time.
	from := t.reaped.Load()
	var last *mark
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		result.Deleted, last, err = t.reapOnce(ctx, req.Limit, from)
		return err
	})
	t.reaped.Store(last)
	// After the last batch it starts from the first row once more, because of rows that were locked.
	result.More = err == nil && (last != nil || from != nil)
	return result, err
}

// reapOnce looks at the rows after a mark. It returns the mark of the last of them,
// or nil if there are no more.
//
// It needs several statements, and so a transaction: MySQL has no DELETE with SKIP LOCKED.
// READ COMMITTED takes no locks on the gaps between rows. With binlog_format=STATEMENT the
// server refuses it.
func (t *table) reapOnce(ctx context.Context, limit int, from *mark) (deleted int, last *mark, err error) {
	level := sql.LevelReadCommitted
	if t.logsStatements.Load() {
		level = sql.LevelRepeatableRead
	}
	err = mysqldb.InTx(ctx, t.db, level, func(tx *sql.Tx) error {
		var dead, living []any
		if dead, living, last, err = t.due(ctx, tx, limit, from); err != nil {
			return err
		}
		if len(dead)+len(living) < limit {
			last = nil
		}
		if deleted, err = t.execKeys(ctx, tx, reap, nil, dead); err != nil {
			return err
		}
		_, err = t.execKeys(ctx, tx, postpone, nil, living)
		return err
	})
	if myerr.StatementLog(err) && level == sql.LevelReadCommitted {
		t.logsStatements.Store(true)
		return t.reapOnce(ctx, limit, from)
	}
	if err != nil {
		return 0, nil, err
	}
	return deleted, last, nil
}

// due locks the first rows after a mark that are due, and returns their keys.
func (t *table) due(ctx context.Context, tx *sql.Tx, limit int, from *mark) (dead, living []any, last *mark, err error) {
	query, args := selectDue, []any{limit}
	if from != nil {
		query, args = selectNext, []any{from.after, from.after, from.key, limit}
	}
	s, err := tx.PrepareContext(ctx, t.sql[query]) // see mysqldb.Exec
	if err != nil {
		return nil, nil, nil, err
	}
	defer s.Close()
	rows, err := s.QueryContext(ctx, args...)
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
