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
func (s *Store) DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error) {
	err = retry.Do(ctx, retry.Few, transient, func() error {
		deleted, more, err = s.deleteExpiredOnce(ctx, limit)
		return err
	})
	return deleted, more, s.wrap("delete expired", err)
}

// deleteExpiredOnce needs several statements, and so a transaction: MySQL has no
// DELETE with SKIP LOCKED. READ COMMITTED takes no locks on the gaps between rows.
func (s *Store) deleteExpiredOnce(ctx context.Context, limit int) (deleted int, more bool, err error) {
	tx, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	dead, living, err := s.due(ctx, tx, limit)
	if err != nil {
		return 0, false, err
	}
	if deleted, err = onKeys(ctx, tx, s.sql.deleteExpired, dead); err != nil {
		return 0, false, err
	}
	if _, err := onKeys(ctx, tx, s.sql.moveOn, living); err != nil {
		return 0, false, err
	}
	// Where several servers take writes, this is where one of them wins.
	if err := tx.Commit(); err != nil {
		return 0, false, err
	}
	return deleted, len(dead)+len(living) == limit, nil
}

// due locks the first rows whose mark has come, and returns their keys.
func (s *Store) due(ctx context.Context, tx *sql.Tx, limit int) (dead, living []any, err error) {
	rows, err := tx.QueryContext(ctx, s.sql.selectDue, limit)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		var expired bool
		if err := rows.Scan(&key, &expired); err != nil {
			return nil, nil, err
		}
		if expired {
			dead = append(dead, key)
		} else {
			living = append(living, key)
		}
	}
	return dead, living, rows.Err()
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
