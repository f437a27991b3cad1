// Package pgsimple keeps sessions in the table of connect-pg-simple, the PostgreSQL store
// of Express applications, so that Go and Node programs share them.
// PostgreSQL 14 or later, through a [database/sql.DB] with any driver; with a
// pgxpool.Pool, pass stdlib.OpenDBFromPool(pool).
//
// The table belongs to the Express application, which makes it and may go on using
// it. What it has no column for is computed: a handle from the id, a version from
// the text. A session's user is kept as the member "$user" of the JSON. There is
// no absolute limit and no time of creation, and an expiry is a whole second.
//
// List, DeleteHandle and DeleteUser read the whole table, for no index can serve
// them: a second or two for each million rows. Logging a user out everywhere is such a statement.
// Other statements, and so requests, find their row by its primary key.
package pgsimple

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A Store is a [sessions.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use.
type Store struct {
	db    *sql.DB
	table string
	sql   *queries
}

var _ sessions.Store = (*Store)(nil)

// Load implements [sessions.Store].
func (s *Store) Load(ctx context.Context, key sessions.RowKey) (r sessions.Record, err error) {
	if !row.Usable(key) {
		return r, sessions.ErrNotFound
	}
	r, err = scan(s.db.QueryRowContext(ctx, s.sql.load, string(key)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, sessions.ErrNotFound
	}
	return r, s.wrap("load", err)
}

func scan(from func(dest ...any) error) (r sessions.Record, err error) {
	var sid string
	var text []byte
	var left int64
	err = from(&sid, &text, &r.Version, &left)
	r.Key, r.Handle = sessions.RowKey(sid), row.Handle(sid)
	r.Data, r.User = row.Decode(text)
	r.ExpiresIn = time.Duration(max(left, 1)) * time.Microsecond // a row lives to the end of that microsecond
	r.AbsoluteIn = math.MaxInt64
	return r, err
}

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, r sessions.Record, ttl sessions.TTL) error {
	text, err := encode(r)
	if err != nil {
		return s.wrap("create", err)
	}
	n, err := s.exec(ctx, s.sql.create, string(r.Key), min(ttl.Idle, ttl.Absolute).Microseconds(), text)
	if err == nil && n == 0 {
		return sessions.ErrExists
	}
	return s.wrap("create", err)
}

func encode(r sessions.Record) (string, error) {
	if !row.Usable(r.Key) {
		return "", row.ErrKey
	}
	text, err := row.Encode(r.Data, r.User)
	return string(text), err
}

// Save implements [sessions.Store].
func (s *Store) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	text, err := encode(r)
	if err != nil {
		return 0, s.wrap("save", err)
	}
	return s.replace(ctx, "save", s.sql.save, r.Key, ttl.Idle.Microseconds(), int64(r.Version), text)
}

// replace runs a conditional update and turns what it changed into an answer.
func (s *Store) replace(ctx context.Context, doing, query string, key sessions.RowKey, args ...any) (v sessions.Version, err error) {
	if !row.Usable(key) {
		return 0, sessions.ErrNotFound
	}
	err = retry.Do(ctx, retry.Few, transient, func() error {
		return s.db.QueryRowContext(ctx, query, append([]any{string(key)}, args...)...).Scan(&v)
	})
	if !errors.Is(err, sql.ErrNoRows) {
		return v, s.wrap(doing, err)
	}
	var one int
	err = s.db.QueryRowContext(ctx, s.sql.exists, string(key)).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, sessions.ErrNotFound
	case err != nil:
		return 0, s.wrap(doing, err)
	}
	return 0, sessions.ErrConflict
}

// Touch implements [sessions.Store].
func (s *Store) Touch(ctx context.Context, key sessions.RowKey, ttl sessions.TTL) error {
	if !row.Usable(key) {
		return nil
	}
	_, err := s.exec(ctx, s.sql.touch, string(key), ttl.Idle.Microseconds(), ttl.Throttle.Microseconds())
	return s.wrap("touch", err)
}

// Rekey implements [sessions.Store].
func (s *Store) Rekey(ctx context.Context, from sessions.RowKey, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	text, err := encode(r)
	if err != nil {
		return 0, s.wrap("rekey", err)
	}
	if ttl.Absolute > 0 {
		ttl.Idle = min(ttl.Idle, ttl.Absolute)
	}
	return s.replace(ctx, "rekey", s.sql.rekey, from, ttl.Idle.Microseconds(), int64(r.Version), text, string(r.Key))
}

// Delete implements [sessions.Store].
func (s *Store) Delete(ctx context.Context, key sessions.RowKey) error {
	if !row.Usable(key) {
		return nil
	}
	_, err := s.exec(ctx, s.sql.deleteKey, string(key))
	return s.wrap("delete", err)
}

// exec runs a statement that may be run again where PostgreSQL undid it.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	return s.execUpTo(ctx, retry.Few, query, args...)
}

func (s *Store) execUpTo(ctx context.Context, tries int, query string, args ...any) (n int64, err error) {
	err = retry.Do(ctx, tries, transient, func() error {
		result, err := s.db.ExecContext(ctx, query, args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, err
}
