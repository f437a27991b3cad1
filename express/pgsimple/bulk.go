package pgsimple

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/retry"
)

// DeleteHandle implements [sessions.Store].
func (s *Store) DeleteHandle(ctx context.Context, handle string) error {
	id := row.HandleBytes(handle)
	if id == nil {
		return sessions.ErrNotFound
	}
	n, err := s.exec(ctx, s.sql.deleteHandle, id)
	if err == nil && n == 0 {
		return sessions.ErrNotFound
	}
	return s.wrap("delete by handle", err)
}

// DeleteUser implements [sessions.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, except []string) (total int, err error) {
	err = row.UntilNone(func() (bool, error) {
		sids, err := s.sidsOf(ctx, user, except)
		if err != nil || len(sids) == 0 {
			return true, err
		}
		list, err := json.Marshal(sids)
		if err != nil {
			return false, err
		}
		n, err := s.execUpTo(ctx, retry.Many, s.sql.deleteUser, row.Quote(user), string(list))
		total += int(n)
		return false, err
	})
	return total, s.wrap("delete by user", err)
}

// sidsOf returns the ids of a user's sessions, dead or alive, but for those with
// the handles given.
func (s *Store) sidsOf(ctx context.Context, user string, except []string) (sids []string, err error) {
	found, err := s.db.QueryContext(ctx, s.sql.selectUser, row.Quote(user))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var sid string
		var text []byte
		if err := found.Scan(&sid, &text); err != nil {
			return nil, err
		}
		if _, owner := row.Decode(text); owner == user && !slices.Contains(except, row.Handle(sid)) {
			sids = append(sids, sid)
		}
	}
	return sids, found.Err()
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

// DeleteExpired implements [sessions.Store]. What it deletes, upstream's own
// pruning would delete too.
func (s *Store) DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error) {
	n, err := s.exec(ctx, s.sql.deleteExpired, limit)
	return int(n), err == nil && int(n) == limit, s.wrap("delete expired", err)
}

// CountExpired implements [sessions.Store].
func (s *Store) CountExpired(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, s.sql.countExpired).Scan(&n)
	return n, s.wrap("count expired", err)
}

// Count implements [sessions.Store].
func (s *Store) Count(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, s.sql.count).Scan(&n)
	return n, s.wrap("count", err)
}

// List implements [sessions.Store].
func (s *Store) List(ctx context.Context, user, after string, limit int) (records []sessions.Record, err error) {
	for len(records) < limit { // again where rows were read that are not the user's after all
		page, err := s.page(ctx, user, after, limit)
		if err != nil {
			return nil, s.wrap("list", err)
		}
		for _, r := range page {
			if after = r.Handle; user == "" || r.User == user {
				records = append(records, r)
			}
		}
		if len(page) < limit {
			break
		}
	}
	return records[:min(len(records), limit)], nil
}

func (s *Store) page(ctx context.Context, user, after string, limit int) (records []sessions.Record, err error) {
	query, args := s.sql.list, []any{after, limit}
	if user != "" {
		query, args = s.sql.listUser, append(args, row.Quote(user))
	}
	return s.read(ctx, query, args...)
}

// Page implements [sessions.Pager], by the index of the primary key.
func (s *Store) Page(ctx context.Context, after sessions.RowKey, limit int) ([]sessions.Record, error) {
	records, err := s.read(ctx, s.sql.inOrder, string(after), limit)
	return records, s.wrap("page", err)
}

func (s *Store) read(ctx context.Context, query string, args ...any) (records []sessions.Record, err error) {
	found, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		r, err := scan(found.Scan)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, found.Err()
}
