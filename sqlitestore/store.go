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
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/stmt"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A Store is a [driver.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use.
type Store struct {
	db     *stmt.Cache
	writer chan struct{} // SQLite has one writer; waiting here is fair, waiting there is not
	table  string
	sql    *queries
}

var _ driver.Store = (*Store)(nil)

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
// [driver.ErrInvalid].
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

// key returns the ID as the table has it, and whether a row can have it.
func key(id driver.ID) ([]byte, bool) {
	b, ok := uuid.Parse(string(id))
	return b[:], ok
}

// keyOf is key for a client's ref, which must have a verifier that can prove a row.
func keyOf(ref driver.Ref) ([]byte, bool) {
	id, ok := key(ref.ID)
	return id, ok && native.CheckVerifier(ref.Verifier) == nil
}

// Load implements [driver.Store].
func (s *Store) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	id, ok := keyOf(ref)
	if !ok {
		return driver.Row{}, s.wrap("load", driver.ErrNotFound)
	}
	row, format, err := scan(func(dest ...any) error { return s.queryRow(ctx, s.sql.load, []any{id}, dest...) })
	if errors.Is(err, sql.ErrNoRows) {
		err = driver.ErrNotFound
	}
	if err == nil { // before the verifier, which a later format may use in another way
		err = native.CheckFormat(format)
	}
	if err == nil && !native.Proves(ref.Verifier, row.Verifier) {
		err = driver.ErrNotFound
	}
	if err != nil {
		return driver.Row{}, s.wrap("load", err)
	}
	return row, nil
}

func scan(from func(dest ...any) error) (row driver.Row, format int64, err error) {
	var id, verifier []byte
	var created, idle, absolute int64
	var authenticated sql.NullInt64
	err = from(&id, &verifier, &row.Version, &format, &row.User, &row.Label, &row.Data, &created, &authenticated, &idle, &absolute)
	if err != nil {
		return row, 0, err
	}
	var b [uuid.Size]byte
	copy(b[:], id)
	row.ID, row.Verifier = driver.ID(uuid.Format(b)), driver.Verifier(verifier)
	row.CreatedAt = time.UnixMilli(created)
	if authenticated.Valid {
		row.AuthenticatedAt = time.UnixMilli(authenticated.Int64)
	}
	row.ExpiresIn, row.AbsoluteIn = duration(idle), duration(absolute)
	return row, format, nil
}

// duration returns so many milliseconds, or the longest duration there is.
func duration(ms int64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	id, ok := key(req.ID)
	if !ok {
		return driver.SaveResult{}, s.wrap("create", fmt.Errorf("%w: the ID is not a canonical UUID", driver.ErrInvalid))
	}
	if err := native.CheckVerifier(req.Verifier); err != nil {
		return driver.SaveResult{}, s.wrap("create", err)
	}
	version := native.NewVersion()
	n, err := s.exec(ctx, s.sql.create, id, []byte(req.Verifier), req.Life.Idle.Milliseconds(), req.Life.Absolute.Milliseconds(),
		int64(version), req.User, req.Label, string(req.Data), req.Authenticated)
	if err == nil && n == 0 {
		err = driver.ErrExists
	}
	if err != nil {
		return driver.SaveResult{}, s.wrap("create", err)
	}
	return driver.SaveResult{Version: version}, nil
}

// Save implements [driver.Store].
func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if err := native.CheckVerifier(req.Verifier); err != nil {
		return driver.SaveResult{}, s.wrap("save", err)
	}
	id, ok := keyOf(req.From)
	if !ok {
		return driver.SaveResult{}, s.wrap("save", driver.ErrNotFound)
	}
	version := native.NewVersion()
	n, err := s.exec(ctx, s.sql.save, id, []byte(req.From.Verifier), req.Life.Idle.Milliseconds(), req.Life.Absolute.Milliseconds(),
		int64(version), req.User, req.Label, string(req.Data), req.Authenticated, []byte(req.Verifier), int64(req.Version))
	if err == nil && n == 0 {
		if err = s.exists(ctx, id, req.From.Verifier); err == nil {
			err = driver.ErrConflict
		}
	}
	if err != nil {
		return driver.SaveResult{}, s.wrap("save", err)
	}
	return driver.SaveResult{Version: version}, nil
}

// Touch implements [driver.Store]. Where nothing moves, a second statement looks
// for the row: a single one would write the row each time to count it, and reading
// in this process costs less than that. A touch that is due is one statement.
func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	id, ok := keyOf(req.Ref)
	if !ok {
		return driver.SaveResult{}, s.wrap("touch", driver.ErrNotFound)
	}
	n, err := s.exec(ctx, s.sql.touch, id, []byte(req.Verifier), req.Life.Idle.Milliseconds(), req.Life.Throttle.Milliseconds())
	if err == nil && n == 0 {
		err = s.exists(ctx, id, req.Verifier)
	}
	return driver.SaveResult{}, s.wrap("touch", err)
}

// exists returns nil if there is a live row with this ID and verifier, and
// otherwise ErrNotFound.
func (s *Store) exists(ctx context.Context, id []byte, verifier driver.Verifier) error {
	var one int
	err := s.queryRow(ctx, s.sql.exists, []any{id, []byte(verifier)}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return driver.ErrNotFound
	}
	return err
}

// write runs f, which writes, when no other call of this process does.
func (s *Store) write(ctx context.Context, f func() error) error {
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
		return s.whenFree(ctx, f)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exec runs a statement that writes, and returns how many rows it did.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.write(ctx, func() error {
		n, err = s.db.Exec(ctx, query, args...)
		return err
	})
	return n, err
}

func (s *Store) queryRow(ctx context.Context, query string, args []any, dest ...any) error {
	return s.whenFree(ctx, func() error { return s.db.QueryRow(ctx, query, args, dest...) })
}
