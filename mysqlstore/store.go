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
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [sessions.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use. It keeps some thirty
// statements prepared on each connection of the pool. While more than 16 calls run, or more than
// there are connections, it sends loads, saves, touches and creates of many sessions as one
// statement; see [Options].OneByOne.
type Store struct {
	db     *stmt.Cache
	table  string
	sql    *queries
	groups *groups              // nil: one by one
	reaped atomic.Pointer[mark] // where the last batch ended, nil for a new sweep
}

var _ sessions.Store = (*Store)(nil)

// New returns a store on the table "sessions" of the database that the
// connections of db are in. It does not touch the database.
func New(db *sql.DB) *Store {
	const table = "`sessions`"
	return onTable(&stmt.Cache{DB: db, Check: commits}, table, false)
}

func onTable(db *stmt.Cache, table string, oneByOne bool) *Store {
	s := &Store{db: db, table: table, sql: newQueries(table)}
	if !oneByOne {
		s.groups = newGroups(s)
	}
	return s
}

// commits makes sure that a statement is committed when it is done. Without that,
// what was saved would be gone with the connection, and a connection would see
// the same old rows for ever.
func commits(ctx context.Context, db *sql.DB) error {
	var on bool
	if err := db.QueryRowContext(ctx, "SELECT @@autocommit").Scan(&on); err != nil {
		return err
	}
	if !on {
		return errors.New("autocommit is off and nothing would ever be saved; remove autocommit=0 from the DSN, or from the server's settings or init_connect")
	}
	return nil
}

// Options choose another table.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores.
	// Defaults to "sessions".
	Table string
	// Schema is the database, named likewise. Defaults to the connection's.
	Schema string
	// OneByOne sends each call as a statement of its own, however many wait.
	// Defaults to false.
	OneByOne bool
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
	return onTable(s.db, table, o.OneByOne), nil
}

// Load implements [sessions.Store].
func (s *Store) Load(ctx context.Context, key sessions.RowKey) (sessions.Record, error) {
	if s.groups == nil {
		return s.loadAlone(ctx, key)
	}
	return s.groups.loads.Do(ctx, key)
}

func (s *Store) loadAlone(ctx context.Context, key sessions.RowKey) (sessions.Record, error) {
	r, err := newReader().read(func(dest ...any) error {
		return s.db.QueryRow(ctx, s.sql.load, []any{string(key)}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return r, sessions.ErrNotFound
	}
	return r, s.wrap("load", err)
}

// A reader reads rows one after the other, for all of which it is allocated once.
type reader struct {
	sessions.Record
	created, left, limit int64
	dest                 [8]any
}

func newReader() *reader {
	r := &reader{}
	// Into types that are not its own database/sql goes by reflection.
	r.dest = [...]any{(*string)(&r.Key), &r.Handle, &r.User, &r.Data, (*int64)(&r.Version), &r.created, &r.left, &r.limit}
	return r
}

func (r *reader) read(scan func(dest ...any) error) (sessions.Record, error) {
	err := scan(r.dest[:]...)
	r.CreatedAt = time.UnixMicro(r.created)
	r.ExpiresIn = time.Duration(r.left) * time.Microsecond
	r.AbsoluteIn = time.Duration(r.limit) * time.Microsecond
	return r.Record, err
}

// Create implements [sessions.Store].
func (s *Store) Create(ctx context.Context, r sessions.Record, ttl sessions.TTL) (err error) {
	if s.groups == nil {
		_, err = s.createAlone(ctx, write{r, ttl})
		return err
	}
	_, err = s.groups.creates.Do(ctx, write{r, ttl})
	return err
}

func (s *Store) createAlone(ctx context.Context, w write) (struct{}, error) {
	first := min(w.ttl.Idle, w.ttl.Absolute).Microseconds()
	_, err := s.exec(ctx, s.sql.create, []byte(w.Key), w.Handle, nullable(w.User), string(w.Data),
		w.ttl.Absolute.Microseconds(), first, first)
	return struct{}{}, s.wrap("create", err)
}

// nullable is NULL for nobody. NULLIF would not do: under many collations " " is equal to "".
func nullable(user string) sql.NullString { return sql.NullString{String: user, Valid: user != ""} }

// Save implements [sessions.Store].
func (s *Store) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	if s.groups == nil {
		return s.saveAlone(ctx, write{r, ttl})
	}
	return s.groups.saves.Do(ctx, write{r, ttl})
}

func (s *Store) saveAlone(ctx context.Context, w write) (sessions.Version, error) {
	idle := w.ttl.Idle.Microseconds()
	n, err := s.exec(ctx, s.sql.save, nullable(w.User), string(w.Data), idle, idle, []byte(w.Key), int64(w.Version))
	return s.saved(ctx, "save", w.Key, w.Version, n, err)
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
func (s *Store) Touch(ctx context.Context, key sessions.RowKey, ttl sessions.TTL) (err error) {
	w := write{sessions.Record{Key: key}, ttl}
	if s.groups == nil {
		_, err = s.touchAlone(ctx, w)
		return err
	}
	_, err = s.groups.touches.Do(ctx, w)
	return err
}

func (s *Store) touchAlone(ctx context.Context, w write) (struct{}, error) {
	idle := w.ttl.Idle.Microseconds()
	_, err := s.exec(ctx, s.sql.touch, idle, []byte(w.Key), idle, w.ttl.Throttle.Microseconds())
	return struct{}{}, s.wrap("touch", err)
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
	if err != nil && inPieces(err) {
		s.db.Forget(query)
	}
	return n, err
}
