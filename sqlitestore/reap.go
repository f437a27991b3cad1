package sqlitestore

import "context"

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
