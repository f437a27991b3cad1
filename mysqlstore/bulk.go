package mysqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/retry"
)

// DeleteUser implements [sessions.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, except []string) (int, error) {
	n, err := s.exec(ctx, s.sql.deleteUser, user, strings.Join(except, ","))
	return int(n), s.wrap("delete by user", err)
}

// DeleteAll implements [sessions.Store].
func (s *Store) DeleteAll(ctx context.Context, limit int) (int, error) {
	n, err := s.exec(ctx, s.sql.deleteAll, limit)
	return int(n), s.wrap("delete all", err)
}

// DeleteExpired implements [sessions.Store].
func (s *Store) DeleteExpired(ctx context.Context, limit int) (n int, err error) {
	err = retry.Do(ctx, retry.Few, transient, func() error {
		n, err = s.deleteExpiredOnce(ctx, limit)
		return err
	})
	return n, s.wrap("delete expired", err)
}

// deleteExpiredOnce needs two statements, and so a transaction: MySQL has no
// DELETE with SKIP LOCKED. READ COMMITTED takes no locks on the gaps between rows.
func (s *Store) deleteExpiredOnce(ctx context.Context, limit int) (int, error) {
	tx, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	keys, err := selectKeys(ctx, tx, s.sql.selectExpired, limit)
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	marks := strings.Repeat("?,", len(keys))
	result, err := tx.ExecContext(ctx, strings.Replace(s.sql.deleteSelected, "$KEYS", marks[:len(marks)-1], 1), keys...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	// Where several servers take writes, this is where one of them wins.
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	return int(n), nil
}

func selectKeys(ctx context.Context, tx *sql.Tx, query string, limit int) (keys []any, err error) {
	rows, err := tx.QueryContext(ctx, query, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// CountExpired implements [sessions.Store].
func (s *Store) CountExpired(ctx context.Context) (n int, err error) {
	err = s.db.QueryRow(ctx, s.sql.countExpired, nil, &n)
	return n, s.wrap("count expired", err)
}

// Count implements [sessions.Store].
func (s *Store) Count(ctx context.Context) (n int, err error) {
	err = s.db.QueryRow(ctx, s.sql.count, nil, &n)
	return n, s.wrap("count", err)
}

// List implements [sessions.Store].
func (s *Store) List(ctx context.Context, user, after string, limit int) (records []sessions.Record, err error) {
	query, args := s.sql.list, []any{after, limit}
	if user != "" {
		query, args = s.sql.listUser, []any{user, after, limit}
	}
	err = s.db.Query(ctx, query, args, func(from func(...any) error) error {
		var r sessions.Record
		err := scan(&r, from)
		records = append(records, r)
		return err
	})
	return records, s.wrap("list", err)
}
