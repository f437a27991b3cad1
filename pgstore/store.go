// Package pgstore keeps sessions in PostgreSQL 14 or later, through a
// [database/sql.DB] with any driver or a [pgxpool.Pool].
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package pgstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A Store is a [sessions.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use. While
// more than 16 calls run, or more than there are connections, it sends loads, saves, touches and
// creates of many sessions as one statement; see [Options].OneByOne.
type Store struct {
	db     db
	table  string
	sql    *queries
	groups *groups // nil: one by one
	due    dueList
}

var _ sessions.Store = (*Store)(nil)

// New returns a store on the table "sessions" that the connections of db see
// by their search_path. It does not touch the database.
func New(db *sql.DB) *Store { return newStore(sqlDB{db}) }

// NewPool is New for a pgx pool, which saves the work that database/sql does
// on each call.
func NewPool(p *pgxpool.Pool) *Store { return newStore(pool{p}) }

func newStore(db db) *Store { return onTable(db, `"sessions"`, false) }

func onTable(db db, table string, oneByOne bool) *Store {
	s := &Store{db: db, table: table, sql: newQueries(table)}
	if !oneByOne {
		s.groups = newGroups(s)
	}
	return s
}

// Options choose another table.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores, with no digit in front, and is used with
	// upper and lower case as given. Defaults to "sessions".
	Table string
	// Schema likewise. Defaults to the connections' search_path.
	Schema string
	// OneByOne sends each call as a statement of its own, however many wait. A statement for
	// many has no caller's context values, which a hook of the pool may look for.
	// Defaults to false.
	OneByOne bool
}

// With returns a store like s on the table that o names. The error wraps
// [sessions.ErrOptions].
func (s *Store) With(o Options) (*Store, error) {
	if o.Table == "" {
		o.Table = "sessions"
	}
	table, err := ident.Table(o.Schema, o.Table, `"`)
	if err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
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
	r, err := s.first(ctx, s.sql.load, []byte(key))
	if errors.Is(err, sessions.ErrNotFound) {
		return r, err
	}
	return r, s.wrap("load", err)
}

// first returns the one record that a query finds.
func (s *Store) first(ctx context.Context, query string, args ...any) (r sessions.Record, err error) {
	found, err := s.db.query(ctx, query, args...)
	if err != nil {
		return r, err
	}
	defer found.Close()
	if found.Next() {
		if r, err = found.record(); err != nil {
			return r, err
		}
		return r, found.Close()
	}
	return r, cmp.Or(found.Err(), sessions.ErrNotFound)
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
	n, err := s.exec(ctx, s.sql.create, []byte(w.Key), w.ttl.Idle.Microseconds(), w.ttl.Absolute.Microseconds(),
		w.Handle, w.User, string(w.Data))
	if err == nil && n == 0 {
		return struct{}{}, sessions.ErrExists
	}
	return struct{}{}, s.wrap("create", err)
}

// Save implements [sessions.Store].
func (s *Store) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	if s.groups == nil {
		return s.saveAlone(ctx, write{r, ttl})
	}
	return s.groups.saves.Do(ctx, write{r, ttl})
}

func (s *Store) saveAlone(ctx context.Context, w write) (sessions.Version, error) {
	n, err := s.exec(ctx, s.sql.save, []byte(w.Key), w.ttl.Idle.Microseconds(), int64(w.Version), w.User, string(w.Data))
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
	err = s.db.queryRow(ctx, s.sql.exists, []byte(key)).Scan(&one)
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
	_, err := s.exec(ctx, s.sql.touch, []byte(w.Key), w.ttl.Idle.Microseconds(), w.ttl.Throttle.Microseconds())
	return struct{}{}, s.wrap("touch", err)
}

// Rekey implements [sessions.Store].
func (s *Store) Rekey(ctx context.Context, from sessions.RowKey, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	query, args := s.sql.rekey, []any{[]byte(from), ttl.Idle.Microseconds()}
	if ttl.Absolute > 0 {
		query, args = s.sql.rekeyAnew, append(args, ttl.Absolute.Microseconds())
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

// exec runs a statement that may be run again where PostgreSQL undid it.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	return s.execUpTo(ctx, retry.Few, query, args...)
}

func (s *Store) execUpTo(ctx context.Context, tries int, query string, args ...any) (n int64, err error) {
	err = retry.Do(ctx, tries, transient, func() error {
		n, err = s.db.exec(ctx, query, args...)
		return err
	})
	return n, err
}
