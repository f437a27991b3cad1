// Package mysqlstore keeps sessions in MySQL 8.0.16 or later, or MariaDB 10.6 or
// later, through a [database/sql.DB] of the driver github.com/go-sql-driver/mysql.
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [sessions.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use. It keeps about a
// dozen statements prepared on each connection of the pool.
type Store struct {
	db    *stmt.Cache
	table string
	sql   *queries
}

var _ sessions.Store = (*Store)(nil)

// New returns a store on the table "sessions" of the database that the
// connections of db are in. It does not touch the database.
func New(db *sql.DB) *Store {
	const table = "`sessions`"
	return &Store{db: &stmt.Cache{DB: db}, table: table, sql: newQueries(table)}
}

// Options choose another table.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores.
	// Defaults to "sessions".
	Table string
	// Schema is the database, named likewise. Defaults to the connection's.
	Schema string
}

// With returns a store like s on the table that o names. The error wraps
// [sessions.ErrOptions].
func (s *Store) With(o Options) (*Store, error) {
	if o.Table == "" {
		o.Table = "sessions"
	}
	table, err := ident.Table(o.Schema, o.Table, "`")
	if err != nil {
		return nil, fmt.Errorf("mysqlstore: %w", err)
	}
	return &Store{db: s.db, table: table, sql: newQueries(table)}, nil
}

// Load implements [sessions.Store].
func (s *Store) Load(ctx context.Context, key sessions.RowKey) (r sessions.Record, err error) {
	err = scan(&r, func(dest ...any) error {
		return s.db.QueryRow(ctx, s.sql.load, []any{[]byte(key)}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return r, sessions.ErrNotFound
	}
	return r, s.wrap("load", err)
}

func scan(r *sessions.Record, from func(dest ...any) error) error {
	var key []byte
	var created, left, limit int64
	err := from(&key, &r.Handle, &r.User, &r.Data, &r.Version, &created, &left, &limit)
	r.Key = sessions.RowKey(key)
	r.CreatedAt = time.UnixMicro(created)
	r.ExpiresIn = time.Duration(left) * time.Microsecond
	r.AbsoluteIn = time.Duration(limit) * time.Microsecond
	return err
}

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, r sessions.Record, ttl sessions.TTL) error {
	first := min(ttl.Idle, ttl.Absolute).Microseconds()
	_, err := s.exec(ctx, s.sql.create, []byte(r.Key), r.Handle, nullable(r.User), string(r.Data),
		ttl.Absolute.Microseconds(), first, first)
	return s.wrap("create", err)
}

// nullable is NULL for nobody. NULLIF would not do: under many collations " " is equal to "".
func nullable(user string) sql.NullString { return sql.NullString{String: user, Valid: user != ""} }

// Save implements [sessions.Store].
func (s *Store) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	idle := ttl.Idle.Microseconds()
	n, err := s.exec(ctx, s.sql.save, nullable(r.User), string(r.Data), idle, idle, []byte(r.Key), int64(r.Version))
	return s.saved(ctx, "save", r.Key, r.Version, n, err)
}

// saved turns the number of rows that a conditional update changed into an answer.
func (s *Store) saved(ctx context.Context, doing string, key sessions.RowKey, was sessions.Version, n int64, err error) (sessions.Version, error) {
	if err != nil {
		return 0, s.wrap(doing, err)
	}
	if n == 1 {
		return was + 1, nil
	}
	var one int
	err = s.db.QueryRow(ctx, s.sql.exists, []any{[]byte(key)}, &one)
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
	idle := ttl.Idle.Microseconds()
	_, err := s.exec(ctx, s.sql.touch, idle, idle, []byte(key), idle, ttl.Throttle.Microseconds())
	return s.wrap("touch", err)
}

// Rekey implements [sessions.Store].
func (s *Store) Rekey(ctx context.Context, from sessions.RowKey, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	query, args := s.sql.rekey, []any{[]byte(r.Key), r.Handle, nullable(r.User), string(r.Data)}
	expiry := ttl.Idle.Microseconds()
	if ttl.Absolute > 0 {
		query, args = s.sql.rekeyAnew, append(args, ttl.Absolute.Microseconds())
		expiry = min(ttl.Idle, ttl.Absolute).Microseconds()
	}
	n, err := s.exec(ctx, query, append(args, expiry, expiry, []byte(from), int64(r.Version))...)
	return s.saved(ctx, "rekey", from, r.Version, n, err)
}

// Delete implements [sessions.Store].
func (s *Store) Delete(ctx context.Context, key sessions.RowKey) error {
	_, err := s.exec(ctx, s.sql.deleteKey, []byte(key))
	return s.wrap("delete", err)
}

// DeleteHandle implements [sessions.Store].
func (s *Store) DeleteHandle(ctx context.Context, handle string) error {
	n, err := s.exec(ctx, s.sql.deleteHandle, handle)
	if err == nil && n == 0 {
		return sessions.ErrNotFound
	}
	return s.wrap("delete by handle", err)
}

// exec runs a statement that may be run again where the database undid it.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = retry.Do(ctx, retry.Few, transient, func() error {
		n, err = s.db.Exec(ctx, query, args...)
		return err
	})
	return n, err
}
