// Package pgstore keeps sessions in PostgreSQL 14 or later, through a
// [database/sql.DB] with any driver or a [pgxpool.Pool].
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package pgstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/coalesce"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A Store is a [driver.Store] on one table. It holds no connection between calls,
// needs no closing, and is safe for concurrent use. While more than 16 calls run, or
// more than there are connections, it sends loads, saves, touches and creates of many
// sessions as one statement; see [Options].OneByOne.
type Store struct {
	db       db
	table    string
	sql      *queries
	groups   *groups
	oneByOne bool
	due      dueList
	idle     duration
}

var _ driver.Store = (*Store)(nil)

// New returns a store on the table "sessions" that the connections of db see
// by their search_path. It does not touch the database.
func New(db *sql.DB) *Store { return newStore(sqlDB{db}, `"sessions"`, false) }

// NewPool is New for a pgx pool, which saves the work that database/sql does
// on each call.
func NewPool(p *pgxpool.Pool) *Store { return newStore(pool{p}, `"sessions"`, false) }

func newStore(db db, table string, oneByOne bool) *Store {
	s := &Store{db: db, table: table, sql: newQueries(table), oneByOne: oneByOne}
	s.groups = newGroups(s)
	return s
}

// Options choose another table.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores, not beginning with a
	// digit. Upper and lower case stay as given. Defaults to "sessions".
	Table string
	// Schema follows the same rules. Defaults to the connections' search_path.
	Schema string
	// OneByOne sends each call as a statement of its own, however many wait. A statement
	// for many callers has no caller's context values, which a hook of the pool may look
	// for. Defaults to false.
	OneByOne bool
}

// With returns a store like s on the table that o names. The error wraps
// [driver.ErrInvalid].
func (s *Store) With(o Options) (*Store, error) {
	if o.Table == "" {
		o.Table = "sessions"
	}
	table, err := ident.Table(o.Schema, o.Table, `"`)
	if err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	return newStore(s.db, table, o.OneByOne), nil
}

// Load implements [driver.Store].
func (s *Store) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	id, ok := uuid.Parse(string(ref.ID))
	if !ok {
		return driver.Row{}, notFound("load")
	}
	return run(ctx, s, &s.groups.loads, name{ref, id})
}

func (s *Store) loadAlone(ctx context.Context, n name) (r driver.Row, err error) {
	err = s.each(ctx, retry.Many, s.sql.load, func() { r = driver.Row{} }, func(found rows) error {
		record, err := found.record()
		r = record.named(&n)
		return cmp.Or(err, native.CheckFormat(record.format))
	}, string(n.ID))
	switch {
	case err != nil:
		return driver.Row{}, s.wrap("load", err)
	case !native.Proves(n.Verifier, r.Verifier):
		return driver.Row{}, notFound("load")
	}
	return r, nil
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if !req.ID.Valid() {
		return driver.SaveResult{}, fmt.Errorf("pgstore: create: %w: %.40q is no session's ID", driver.ErrInvalid, string(req.ID))
	}
	if err := native.CheckVerifier(req.Verifier); err != nil {
		return driver.SaveResult{}, fmt.Errorf("pgstore: create: %w", err)
	}
	return run(ctx, s, &s.groups.creates, write{driver.SaveRequest{
		From: driver.Ref{ID: req.ID}, Verifier: req.Verifier, User: req.User, Label: req.Label, Data: req.Data,
		Life: req.Life, Authenticated: req.Authenticated,
	}, native.NewVersion()})
}

func (s *Store) createAlone(ctx context.Context, w write) (driver.SaveResult, error) {
	n, err := s.exec(ctx, s.sql.create, s.args(&w, true)...)
	switch {
	case err != nil:
		return driver.SaveResult{}, s.wrap("create", err)
	case n == 0:
		return driver.SaveResult{}, errExists
	}
	return driver.SaveResult{Version: w.version}, nil
}

// Save implements [driver.Store].
func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if !canExist(req.From) {
		return driver.SaveResult{}, notFound("save")
	}
	if err := native.CheckVerifier(req.Verifier); err != nil {
		return driver.SaveResult{}, fmt.Errorf("pgstore: save: %w", err)
	}
	return run(ctx, s, &s.groups.saves, write{req, native.NewVersion()})
}

func (s *Store) saveAlone(ctx context.Context, w write) (driver.SaveResult, error) {
	n, err := s.exec(ctx, s.sql.save, s.args(&w, false)...)
	if err != nil {
		return driver.SaveResult{}, s.wrap("save", err)
	}
	if n == 1 {
		return driver.SaveResult{Version: w.version}, nil
	}
	return driver.SaveResult{}, cmp.Or(s.there(ctx, "save", w.From), errConflict)
}

// there returns nil if the row is there and has this verifier.
func (s *Store) there(ctx context.Context, doing string, ref driver.Ref) error {
	var verifier []byte
	err := s.each(ctx, retry.Many, s.sql.state, func() { verifier = nil }, func(found rows) error {
		return found.Scan(&verifier)
	}, string(ref.ID))
	switch {
	case err != nil:
		return s.wrap(doing, err)
	case !native.Proves(ref.Verifier, driver.Verifier(verifier)):
		return notFound(doing)
	}
	return nil
}

// Touch implements [driver.Store].
func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	if !canExist(req.Ref) {
		return driver.SaveResult{}, notFound("touch")
	}
	return run(ctx, s, &s.groups.touches, write{driver.SaveRequest{From: req.Ref, Life: req.Life}, 0})
}

func (s *Store) touchAlone(ctx context.Context, w write) (none driver.SaveResult, err error) {
	var found, there bool
	err = s.each(ctx, retry.Many, s.sql.touch, func() { found = false }, func(r rows) error {
		found = true
		return r.Scan(&there)
	}, string(w.From.ID), w.Life.Idle.Microseconds(), w.Life.Throttle.Microseconds(), []byte(w.From.Verifier))
	switch {
	case err != nil:
		return none, s.wrap("touch", err)
	case !found:
		return none, notFound("touch")
	case !there: // another statement changed it at the same time
		return none, s.there(ctx, "touch", w.From)
	}
	return none, nil
}

// canExist reports whether a row can have this ID and verifier. A column without a
// proper verifier proves nothing.
func canExist(ref driver.Ref) bool {
	return ref.ID.Valid() && native.CheckVerifier(ref.Verifier) == nil
}

// run sends a call, with others if there are many.
func run[In, Out any](ctx context.Context, s *Store, g *coalesce.Group[In, Out], in In) (out Out, err error) {
	if s.oneByOne {
		out, err = g.Alone(ctx, in)
	} else {
		out, err = g.Do(ctx, in)
	}
	return out, because(ctx, err)
}

// exec runs a statement that may be run again where PostgreSQL undid it.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = retry.Do(ctx, retry.Many, pgerr.Transient, func() error {
		n, err = s.db.exec(ctx, query, args...)
		return err
	})
	return n, err
}

// each runs a query that may be run again where PostgreSQL undid it, and calls take for
// each row. Each try begins with reset, because a query can be undone after its rows
// came, when it is committed.
func (s *Store) each(ctx context.Context, tries int, query string, reset func(), take func(rows) error, args ...any) error {
	return retry.Do(ctx, tries, pgerr.Transient, func() error {
		reset()
		found, err := s.db.query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			if err := take(found); err != nil {
				return err
			}
		}
		return found.Err()
	})
}
