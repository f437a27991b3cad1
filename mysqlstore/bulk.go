package mysqlstore

import (
	"context"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// DeleteUser implements [sessions.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, except []string) (int, error) {
	n, err := s.sweep(ctx, s.sql.deleteUser, user, strings.Join(except, ","))
	return n, s.wrap("delete by user", err)
}

// DeleteAll implements [sessions.Store].
func (s *Store) DeleteAll(ctx context.Context, limit int) (int, error) {
	n, err := s.sweep(ctx, s.sql.deleteAll, limit)
	return n, s.wrap("delete all", err)
}

// sweep deletes all rows of a range, again and again where others are in its way.
func (s *Store) sweep(ctx context.Context, query string, args ...any) (deleted int, err error) {
	err = retry.Do(ctx, retry.Many, undone, func() error {
		deleted, err = stmt.Sweep(ctx, s.db.DB, query, args...)
		return err
	})
	return deleted, err
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
	row := newReader()
	err = s.db.Query(ctx, query, args, func(scan func(...any) error) error {
		r, err := row.read(scan)
		records = append(records, r)
		return err
	})
	return records, s.wrap("list", err)
}
