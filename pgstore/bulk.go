package pgstore

import (
	"context"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/retry"
)

// DeleteUser implements [sessions.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, except []string) (int, error) {
	n, err := s.execUpTo(ctx, retry.Many, s.sql.deleteUser, user, strings.Join(except, ","))
	return int(n), s.wrap("delete by user", err)
}

// DeleteAll implements [sessions.Store].
func (s *Store) DeleteAll(ctx context.Context, limit int) (int, error) {
	n, err := s.execUpTo(ctx, retry.Many, s.sql.deleteAll, limit)
	if err != nil || int(n) == limit {
		return int(n), s.wrap("delete all", err)
	}
	rest, err := s.execUpTo(ctx, retry.Many, s.sql.deleteRest)
	return int(n + rest), s.wrap("delete all", err)
}

// Count implements [sessions.Store].
func (s *Store) Count(ctx context.Context) (n int, err error) {
	err = s.db.queryRow(ctx, s.sql.count).Scan(&n)
	return n, s.wrap("count", err)
}

// List implements [sessions.Store].
func (s *Store) List(ctx context.Context, user, after string, limit int) ([]sessions.Record, error) {
	query, args := s.sql.list, []any{after, limit}
	if user != "" {
		query, args = s.sql.listUser, append(args, user)
	}
	found, err := s.db.query(ctx, query, args...)
	if err != nil {
		return nil, s.wrap("list", err)
	}
	defer found.Close()
	var records []sessions.Record
	for found.Next() {
		r, err := found.record()
		if err != nil {
			return nil, s.wrap("list", err)
		}
		records = append(records, r)
	}
	return records, s.wrap("list", found.Err())
}
