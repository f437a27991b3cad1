// Package mysqlstore keeps sessions in MySQL 8.0.16 or later, or MariaDB 10.6 or
// later, through a [database/sql.DB] of the driver github.com/go-sql-driver/mysql.
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [driver.Store] on one table. It holds no connection between calls,
// needs no closing, and is safe for concurrent use. It keeps up to 40 statements
// prepared on each connection of the pool. While more than 16 calls run, or more
// than there are connections, it sends loads, saves, touches and creates of many
// sessions as one statement; see [Options].OneByOne.
type Store struct {
	db     *stmt.Cache
	table  string
	sql    *queries
	groups *groups              // nil: one by one
	reaped atomic.Pointer[mark] // where the last batch ended, nil for a new sweep
}

var _ driver.Store = (*Store)(nil)

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
// what was saved would be gone with the connection, and a connection would always
// see the same old rows.
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
	// Schema is the database, with the same rules for its name. Defaults to the
	// connection's.
	Schema string
	// OneByOne sends each call as a statement of its own, however many wait.
	// Defaults to false.
	OneByOne bool
}

// With returns a store like s on the table that o names. The error wraps
// [driver.ErrInvalid].
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

// Load implements [driver.Store].
func (s *Store) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	id, ok := parse(ref.ID)
	if !ok {
		return driver.Row{}, s.wrap(ctx, "load", driver.ErrNotFound)
	}
	l := lookup{ref, id}
	if s.groups == nil {
		return s.loadAlone(ctx, l)
	}
	return s.groups.loads.Do(ctx, l)
}

func (s *Store) loadAlone(ctx context.Context, l lookup) (driver.Row, error) {
	r := newReader()
	r.id = l.id
	err := s.db.QueryRow(ctx, s.sql.load, []any{r.id[:]}, r.dest[1:]...)
	if err == nil {
		return r.proved(l.Ref)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = driver.ErrNotFound
	}
	return driver.Row{}, s.wrap(ctx, "load", err)
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	id, ok := parse(req.ID)
	if !ok {
		return driver.SaveResult{}, fmt.Errorf("mysqlstore: create: %w: %.40q is no canonical UUID", driver.ErrInvalid, string(req.ID))
	}
	if err := native.CheckVerifier(req.Verifier); err != nil {
		return driver.SaveResult{}, s.wrap(ctx, "create", err)
	}
	w := write{id: id, SaveRequest: driver.SaveRequest{
		From: driver.Ref{ID: req.ID}, Verifier: req.Verifier,
		User: req.User, Label: req.Label, Data: req.Data, Life: req.Life, Authenticated: req.Authenticated,
	}}
	if s.groups == nil {
		return s.createAlone(ctx, w)
	}
	return s.groups.creates.Do(ctx, w)
}

func (s *Store) createAlone(ctx context.Context, w write) (driver.SaveResult, error) {
	version := native.NewVersion()
	var idle any = idle(w.Life)
	_, err := s.exec(ctx, s.sql.create, bytesOf(w.id), []byte(w.Verifier), nullable(w.User), nullable(w.Label), w.Data,
		int64(version), w.Authenticated, w.Life.Absolute.Microseconds(), idle, idle)
	if err != nil {
		return driver.SaveResult{}, s.wrap(ctx, "create", err)
	}
	return driver.SaveResult{Version: version}, nil
}

// Save implements [driver.Store].
func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	id, ok := named(req.From)
	if !ok {
		return driver.SaveResult{}, s.wrap(ctx, "save", driver.ErrNotFound)
	}
	if err := native.CheckVerifier(req.Verifier); err != nil {
		return driver.SaveResult{}, s.wrap(ctx, "save", err)
	}
	w := write{id: id, SaveRequest: req}
	if s.groups == nil {
		return s.saveAlone(ctx, w)
	}
	return s.groups.saves.Do(ctx, w)
}

func (s *Store) saveAlone(ctx context.Context, w write) (driver.SaveResult, error) {
	version := native.NewVersion()
	var id, proof any = bytesOf(w.id), []byte(w.From.Verifier)
	verifier := proof
	if w.Verifier != w.From.Verifier {
		verifier = []byte(w.Verifier)
	}
	var idle, absolute any = idle(w.Life), restart(w.Life)
	n, err := s.exec(ctx, s.sql.save, verifier, nullable(w.User), nullable(w.Label), w.Data, int64(version),
		w.Authenticated, idle, idle, absolute, absolute, id, proof, int64(w.Version))
	if err == nil && n == 0 {
		err = s.missed(ctx, w, id)
	}
	if err != nil {
		return driver.SaveResult{}, s.wrap(ctx, "save", err)
	}
	return driver.SaveResult{Version: version}, nil
}

// missed returns why a save found nothing.
func (s *Store) missed(ctx context.Context, w write, id any) error {
	var verifier []byte
	err := s.db.QueryRow(ctx, s.sql.verifier, []any{id}, &verifier)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && !native.Proves(w.From.Verifier, driver.Verifier(verifier)):
		return driver.ErrNotFound
	case err == nil:
		return driver.ErrConflict
	}
	return err
}

// Touch implements [driver.Store].
func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	id, ok := named(req.Ref)
	if !ok {
		return driver.SaveResult{}, s.wrap(ctx, "touch", driver.ErrNotFound)
	}
	w := write{id: id, SaveRequest: driver.SaveRequest{From: req.Ref, Life: req.Life}}
	if s.groups == nil {
		return s.touchAlone(ctx, w)
	}
	return s.groups.touches.Do(ctx, w)
}

func (s *Store) touchAlone(ctx context.Context, w write) (driver.SaveResult, error) {
	var idle any = w.Life.Idle.Microseconds()
	result, err := s.run(ctx, s.sql.touch, idle, w.Life.Throttle.Microseconds(), idle, bytesOf(w.id), []byte(w.From.Verifier))
	if err != nil {
		return driver.SaveResult{}, s.wrap(ctx, "touch", err)
	}
	if there, err := result.LastInsertId(); err != nil || there == 0 {
		return driver.SaveResult{}, s.wrap(ctx, "touch", cmp.Or(err, driver.ErrNotFound))
	}
	return driver.SaveResult{}, nil
}

// End implements [driver.Store].
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	id, ok := parse(req.ID)
	if !ok {
		return s.wrap(ctx, "end", driver.ErrNotFound)
	}
	args := []any{bytesOf(id), true, nil}
	if req.User != nil {
		args[1], args[2] = false, nullable(*req.User)
	}
	n, err := s.exec(ctx, s.sql.end, args...)
	if err == nil && n == 0 {
		if _, err = s.exec(ctx, s.sql.endDead, args...); err == nil {
			err = driver.ErrNotFound
		}
	}
	return s.wrap(ctx, "end", err)
}

// exec runs a statement that may be run again where the database undid it, and
// returns how many rows it changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.run(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *Store) run(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = retry.Do(ctx, retry.Few, myerr.Waited, func() error {
		return retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			result, err = s.once(ctx, query, args...)
			return err
		})
	})
	return result, err
}

func (s *Store) once(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := s.db.Run(ctx, query, args...)
	if err != nil && myerr.InPieces(err) {
		s.db.Forget(query)
	}
	return result, err
}
