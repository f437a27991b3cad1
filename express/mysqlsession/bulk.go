package mysqlsession

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// DeleteHandle implements [sessions.Store].
func (s *Store) DeleteHandle(ctx context.Context, handle string) error {
	id := row.HandleBytes(handle)
	if id == nil {
		return sessions.ErrNotFound
	}
	var sid []byte
	err := s.db.QueryRow(ctx, s.sql.selectHandle, []any{id}, &sid)
	if errors.Is(err, sql.ErrNoRows) {
		return sessions.ErrNotFound
	}
	var n int64
	if err == nil {
		n, err = s.exec(ctx, s.sql.deleteLive, sid, sid)
	}
	if err == nil && n == 0 {
		return sessions.ErrNotFound
	}
	return s.wrap("delete by handle", err)
}

// DeleteUser implements [sessions.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, except []string) (total int, err error) {
	err = row.UntilNone(func() (bool, error) {
		sids, err := s.sidsOf(ctx, user, except)
		if err != nil {
			return false, err
		}
		for _, sid := range sids {
			n, err := s.exec(ctx, s.sql.deleteUser, sid, sid, row.Quote(user))
			if err != nil {
				return false, err
			}
			total += int(n)
		}
		return len(sids) == 0, nil
	})
	return total, s.wrap("delete by user", err)
}

// sidsOf returns the ids of a user's sessions, dead or alive, but for those with
// the handles given.
func (s *Store) sidsOf(ctx context.Context, user string, except []string) (sids [][]byte, err error) {
	err = s.db.Query(ctx, s.sql.selectUser, []any{row.Quote(user)}, func(from func(...any) error) error {
		var sid, text []byte
		err := from(&sid, &text)
		if _, owner := row.Decode(text); owner == user && !slices.Contains(except, row.Handle(string(sid))) {
			sids = append(sids, sid)
		}
		return err
	})
	return sids, err
}

// DeleteAll implements [sessions.Store].
func (s *Store) DeleteAll(ctx context.Context, limit int) (deleted int, err error) {
	err = retry.Do(ctx, retry.Many, undone, func() error {
		deleted, err = stmt.Sweep(ctx, s.db.DB, s.sql.deleteAll, limit)
		return err
	})
	return deleted, s.wrap("delete all", err)
}

// DeleteExpired implements [sessions.Store]. What it deletes, upstream's own
// clearing would delete too.
func (s *Store) DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error) {
	err = retry.Do(ctx, retry.Few, transient, func() error {
		deleted, err = s.deleteExpiredOnce(ctx, limit)
		return err
	})
	return deleted, err == nil && deleted == limit, s.wrap("delete expired", err)
}

// deleteExpiredOnce needs two statements, and so a transaction: MySQL has no
// DELETE with SKIP LOCKED. READ COMMITTED takes no locks on the gaps between rows, nor
// keeps them on the rows that are not expired.
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
	texts := strings.Repeat(s.sql.text+",", len(keys))
	result, err := tx.ExecContext(ctx, strings.Replace(s.sql.deleteSelected, "{ids}", texts[:len(texts)-1], 1), keys...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	return int(n), tx.Commit()
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
		query, args = s.sql.listUser, []any{row.Quote(user), after, limit}
	}
	return s.read(ctx, query, args)
}

// Page implements [sessions.Pager], by the index of the primary key.
func (s *Store) Page(ctx context.Context, after sessions.RowKey, limit int) ([]sessions.Record, error) {
	records, err := s.read(ctx, s.sql.inOrder, []any{[]byte(after), limit})
	return records, s.wrap("page", err)
}

func (s *Store) read(ctx context.Context, query string, args []any) (records []sessions.Record, err error) {
	err = s.db.Query(ctx, query, args, func(from func(...any) error) error {
		var r sessions.Record
		err := scan(&r, from)
		records = append(records, r)
		return err
	})
	return records, err
}
