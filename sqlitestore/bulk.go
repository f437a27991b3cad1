package sqlitestore

import (
	"context"
	"strings"

	"github.com/sqlsessions/sessions"
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
	moved, err := s.exec(ctx, s.sql.moveOn, limit)
	if err != nil {
		return 0, false, s.wrap("delete expired", err)
	}
	n, err := s.exec(ctx, s.sql.deleteExpired, limit)
	return int(n), err == nil && moved+n >= int64(limit), s.wrap("delete expired", err)
}

// CountExpired implements [sessions.Store].
func (s *Store) CountExpired(ctx context.Context) (n int, err error) {
	err = s.queryRow(ctx, s.sql.countExpired, nil, &n)
	return n, s.wrap("count expired", err)
}

// Count implements [sessions.Store].
func (s *Store) Count(ctx context.Context) (n int, err error) {
	err = s.queryRow(ctx, s.sql.count, nil, &n)
	return n, s.wrap("count", err)
}

// List implements [sessions.Store].
func (s *Store) List(ctx context.Context, user, after string, limit int) (records []sessions.Record, err error) {
	query, args := s.sql.list, []any{after, limit}
	if user != "" {
		query, args = s.sql.listUser, append(args, user)
	}
	err = whenFree(ctx, func() error {
		records = nil
		return s.db.Query(ctx, query, args, func(from func(...any) error) error {
			var r sessions.Record
			err := scan(&r, from)
			records = append(records, r)
			return err
		})
	})
	return records, s.wrap("list", err)
}
