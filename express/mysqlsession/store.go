// Package mysqlsession keeps sessions in the table of express-mysql-session, the MySQL store of
// Express applications, so that Go and Node programs share them. MySQL 8.0.16 or later, or MariaDB
// 10.6 or later, through a [database/sql.DB] of the driver github.com/go-sql-driver/mysql.
//
// The table belongs to the Express application, which makes it and may go on using
// it. What it has no column for is computed: a handle from the id, a version from
// the text. A session's user is kept as the member "$user" of the JSON. There is
// no absolute limit and no time of creation, and an expiry is a whole second.
//
// List, DeleteHandle and DeleteUser read the whole table, for no index can serve
// them: a second or two for each million rows. Logging a user out everywhere is such a statement.
// Other statements, and so requests, find their row by its primary key.
package mysqlsession

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [sessions.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use. It keeps about a
// dozen statements prepared on each connection of the pool.
type Store struct {
	db    *stmt.Cache
	table string
	shape shape
	sql   *queries
}

var _ sessions.Store = (*Store)(nil)

// Load implements [sessions.Store].
func (s *Store) Load(ctx context.Context, key sessions.RowKey) (r sessions.Record, err error) {
	if !s.shape.takesKey(key) {
		return r, sessions.ErrNotFound
	}
	err = scan(&r, func(dest ...any) error {
		return s.db.QueryRow(ctx, s.sql.load, []any{[]byte(key), []byte(key)}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return r, sessions.ErrNotFound
	}
	return r, s.wrap("load", err)
}

func scan(r *sessions.Record, from func(dest ...any) error) error {
	var sid, text []byte
	var v sql.NullInt64
	var left int64
	err := from(&sid, &text, &v, &left)
	if err == nil && (text == nil || !v.Valid) { // no row without data is live, but MariaDB's CAST makes it so
		err = errors.New("the session is larger than the server's max_allowed_packet, which was larger when it was saved")
	}
	r.Key, r.Handle = sessions.RowKey(sid), row.Handle(string(sid))
	r.Data, r.User = row.Decode(text)
	r.Version = sessions.Version(v.Int64)
	r.ExpiresIn = time.Duration(left) * time.Microsecond
	r.AbsoluteIn = math.MaxInt64
	return err
}

// encode returns the text to store, if the columns can hold it and the key.
func (s *Store) encode(r sessions.Record) (string, error) {
	if !s.shape.takesKey(r.Key) {
		return "", row.ErrKey
	}
	text, err := row.Encode(r.Data, r.User)
	if err == nil {
		err = s.shape.checkText(text)
	}
	return string(text), err
}

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, r sessions.Record, ttl sessions.TTL) error {
	text, err := s.encode(r)
	if err != nil {
		return s.wrap("create", err)
	}
	_, err = s.exec(ctx, s.sql.create, []byte(r.Key), min(ttl.Idle, ttl.Absolute).Microseconds(), text)
	return s.wrap("create", err)
}

// Save implements [sessions.Store].
func (s *Store) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	text, err := s.encode(r)
	if err != nil {
		return 0, s.wrap("save", err)
	}
	return s.replace(ctx, "save", r.Key, r.Version, text, func() (int64, error) {
		return s.exec(ctx, s.sql.save, ttl.Idle.Microseconds(), text, []byte(r.Key), []byte(r.Key), int64(r.Version))
	})
}

// Rekey implements [sessions.Store].
func (s *Store) Rekey(ctx context.Context, from sessions.RowKey, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	text, err := s.encode(r)
	if err != nil {
		return 0, s.wrap("rekey", err)
	}
	if !s.shape.takesKey(from) {
		return 0, sessions.ErrNotFound
	}
	if ttl.Absolute > 0 {
		ttl.Idle = min(ttl.Idle, ttl.Absolute)
	}
	return s.replace(ctx, "rekey", from, r.Version, text, func() (int64, error) {
		return s.exec(ctx, s.sql.rekey, []byte(r.Key), ttl.Idle.Microseconds(), text, []byte(from), []byte(from), int64(r.Version))
	})
}

// replace runs a conditional update and turns the number of rows that it changed
// into an answer.
func (s *Store) replace(ctx context.Context, doing string, key sessions.RowKey, was sessions.Version, text string, update func() (int64, error)) (sessions.Version, error) {
	now, err := s.versionOf(ctx, text)
	if err != nil {
		return 0, s.wrap(doing, err)
	}
	n, err := update()
	if err != nil {
		return 0, s.wrap(doing, err)
	}
	if n == 1 {
		return now, nil
	}
	var found int64
	err = s.db.QueryRow(ctx, s.sql.current, []any{[]byte(key), []byte(key)}, &found)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, sessions.ErrNotFound
	case err != nil:
		return 0, s.wrap(doing, err)
	case now == was && sessions.Version(found) == was:
		return now, nil // MySQL counts the rows that changed, and this one was so already
	}
	return 0, sessions.ErrConflict
}

// versionOf returns the version of a row with this text. A row can't be asked when it
// is written: by then it may be somebody else's.
func (s *Store) versionOf(ctx context.Context, text string) (v sessions.Version, err error) {
	if !s.shape.json {
		return row.Version([]byte(text)), nil
	}
	err = s.db.QueryRow(ctx, s.sql.versionOf, []any{text}, &v)
	return v, err
}

// Touch implements [sessions.Store].
func (s *Store) Touch(ctx context.Context, key sessions.RowKey, ttl sessions.TTL) error {
	if !s.shape.takesKey(key) {
		return nil
	}
	idle := ttl.Idle.Microseconds()
	_, err := s.exec(ctx, s.sql.touch, idle, []byte(key), []byte(key), idle, idle-ttl.Throttle.Microseconds())
	return s.wrap("touch", err)
}

// Delete implements [sessions.Store].
func (s *Store) Delete(ctx context.Context, key sessions.RowKey) error {
	if !s.shape.takesKey(key) {
		return nil
	}
	_, err := s.exec(ctx, s.sql.deleteKey, []byte(key), []byte(key))
	return s.wrap("delete", err)
}

// exec runs a statement that may be run again where the database undid it.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = retry.Do(ctx, retry.Few, transient, func() error {
		n, err = s.db.Exec(ctx, query, args...)
		return err
	})
	return n, err
}
