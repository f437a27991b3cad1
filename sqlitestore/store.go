// Package sqlitestore keeps sessions in a SQLite file (SQLite 3.42 or later), through
// a [database/sql.DB] of any driver; it imports none.
//
// Open the database with WAL journalling, or a long read, such as a backup, keeps
// sessions from being saved. With the driver modernc.org/sqlite:
//
//	file:sessions.db?_pragma=journal_mode(WAL)
//
// Several processes of one machine may use the file. The store waits for its lock by
// itself, until the context ends. A busy timeout for statements of your own makes it
// notice that end later, by as much as the timeout; keep it well below Options.Timeout.
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [sessions.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use.
type Store struct {
	db     *stmt.Cache
	writer chan struct{} // SQLite has one writer; waiting here is fair, waiting there is not
	table  string
	sql    *queries
}

var _ sessions.Store = (*Store)(nil)

// New returns a store on the table "sessions". It does not touch the database.
func New(db *sql.DB) *Store {
	const table = `"sessions"`
	return &Store{db: &stmt.Cache{DB: db}, writer: make(chan struct{}, 1), table: table, sql: newQueries(table)}
}

// Options choose another table.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores.
	// Defaults to "sessions".
	Table string
}

// With returns a store like s on the table that o names. The error wraps
// [sessions.ErrOptions].
func (s *Store) With(o Options) (*Store, error) {
	if o.Table == "" {
		o.Table = "sessions"
	}
	table, err := ident.Table("", o.Table, `"`)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	return &Store{db: s.db, writer: s.writer, table: table, sql: newQueries(table)}, nil
}

// Load implements [sessions.Store].
func (s *Store) Load(ctx context.Context, key sessions.RowKey) (r sessions.Record, err error) {
	err = scan(&r, func(dest ...any) error {
		return s.queryRow(ctx, s.sql.load, []any{[]byte(key)}, dest...)
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
	r.CreatedAt = time.UnixMilli(created)
	r.ExpiresIn = time.Duration(left) * time.Millisecond
	r.AbsoluteIn = time.Duration(limit) * time.Millisecond
	return err
}

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, r sessions.Record, ttl sessions.TTL) error {
	n, err := s.exec(ctx, s.sql.create, []byte(r.Key), ttl.Idle.Milliseconds(), ttl.Absolute.Milliseconds(),
		r.Handle, r.User, string(r.Data))
	if err == nil && n == 0 {
		return sessions.ErrExists
	}
	return s.wrap("create", err)
}

// Save implements [sessions.Store].
func (s *Store) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	n, err := s.exec(ctx, s.sql.save, []byte(r.Key), ttl.Idle.Milliseconds(), int64(r.Version), r.User, string(r.Data))
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
	err = s.queryRow(ctx, s.sql.exists, []any{[]byte(key)}, &one)
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
	_, err := s.exec(ctx, s.sql.touch, []byte(key), ttl.Idle.Milliseconds(), ttl.Throttle.Milliseconds())
	return s.wrap("touch", err)
}

// Rekey implements [sessions.Store].
func (s *Store) Rekey(ctx context.Context, from sessions.RowKey, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	query, args := s.sql.rekey, []any{[]byte(from), ttl.Idle.Milliseconds()}
	if ttl.Absolute > 0 {
		query, args = s.sql.rekeyAnew, append(args, ttl.Absolute.Milliseconds())
	}
	n, err := s.exec(ctx, query, append(args, int64(r.Version), []byte(r.Key), r.Handle, r.User, string(r.Data))...)
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

// exec runs a statement that writes.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	err = whenFree(ctx, func() error {
		n, err = s.db.Exec(ctx, query, args...)
		return err
	})
	return n, err
}

func (s *Store) queryRow(ctx context.Context, query string, args []any, dest ...any) error {
	return whenFree(ctx, func() error { return s.db.QueryRow(ctx, query, args, dest...) })
}
