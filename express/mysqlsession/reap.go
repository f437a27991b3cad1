package mysqlsession

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// Reap implements [driver.Store]. What it deletes, upstream's own clearing would delete too.
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (result driver.ReapResult, err error) {
	err = row.Answer(ctx, retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		result.Deleted, err = s.reapOnce(ctx, req.Limit)
		return err
	}))
	result.More = err == nil && result.Deleted == req.Limit
	return result, s.wrap("reap", err)
}

// reapOnce needs two statements, and so a transaction: MySQL has no DELETE with SKIP
// LOCKED. READ COMMITTED takes no locks on the gaps between rows, nor keeps them on the
// rows that are not expired.
func (s *Store) reapOnce(ctx context.Context, limit int) (deleted int, err error) {
	err = s.inTx(ctx, sql.LevelReadCommitted, func(tx *sql.Tx) error {
		sids, err := selectSids(ctx, tx, s.sql.selectDead, limit)
		if err != nil || len(sids) == 0 {
			return err
		}
		places := strings.Repeat(s.sql.text+",", len(sids))
		deleted, err = affected(tx.ExecContext(ctx, strings.Replace(s.sql.deleteDead, "{sids}", places[:len(places)-1], 1), sids...))
		return err
	})
	return deleted, err
}

func selectSids(ctx context.Context, tx *sql.Tx, query string, limit int) (sids []any, err error) {
	rows, err := tx.QueryContext(ctx, query, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var sid []byte
		if err := rows.Scan(&sid); err != nil {
			return nil, err
		}
		sids = append(sids, sid)
	}
	return sids, rows.Err()
}

// inTx commits what f does unless it returns an error.
func (s *Store) inTx(ctx context.Context, level sql.IsolationLevel, f func(tx *sql.Tx) error) error {
	tx, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// affected returns how many rows a statement affected.
func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
