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
