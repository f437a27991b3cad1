// Package pgsimple keeps sessions in the table of connect-pg-simple, the PostgreSQL store
// of Express applications, so that Go and Node programs share them.
// PostgreSQL 14 or later, through a [database/sql.DB] with any driver; with a
// pgxpool.Pool, pass stdlib.OpenDBFromPool(pool).
//
// The table belongs to the Express application, which makes it and may go on using
// it. A row is found by its sid, which is the verifier. What the table has no column
// for is computed: the ID from the sid, so a session that gets a new sid gets a new ID
// too, and the version from the text. A session's user is kept as the member "$user" of
// the JSON. There are no labels, no absolute limit and no times but the expiry, which is a
// whole second.
//
// A request's statements find their row by the primary key, a logout's too. List, EndAll,
// and End of an ID alone read the whole table, because no index can serve
// them: a few seconds for each million rows. Logging a user out everywhere is such a
// statement. EndAll keeps no order: it ends rows as it finds them. It removes dead
// rows too, because Node's touch would bring them back to life.
package pgsimple

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A Store is a [driver.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use.
type Store struct {
	db    *sql.DB
	table string
	sql   *queries
}

var _ driver.Store = (*Store)(nil)

// Load implements [driver.Store].
func (s *Store) Load(ctx context.Context, ref driver.Ref) (r driver.Row, err error) {
	if !names(ref) {
		return r, s.wrap("load", driver.ErrNotFound)
	}
	r, err = scan(func(dest ...any) error {
		return s.get(ctx, 1, dest, s.sql.load, string(ref.Verifier))
	})
	return r, s.wrap("load", err)
}

// names reports whether there can be a row that ref names.
func names(ref driver.Ref) bool { return row.Usable(ref.Verifier) && row.Names(ref) }

func scan(from func(dest ...any) error) (r driver.Row, err error) {
	var sid string
	var text []byte
	var left int64
	if err := from(&sid, &text, &r.Version, &left); err != nil {
		return driver.Row{}, err
	}
	r.Ref = driver.Ref{ID: row.ID(sid), Verifier: driver.Verifier(sid)}
	r.Data, r.User = row.Decode(text)
	r.ExpiresIn = time.Duration(max(left, 1)) * time.Microsecond // a row lives to the end of that microsecond
	r.AbsoluteIn = math.MaxInt64
	return r, nil
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	if !row.Names(req.Ref) {
		return result, s.wrap("create", row.ErrID)
	}
	text, err := encode(req.Verifier, req.User, req.Label, req.Data)
	if err == nil {
		err = s.get(ctx, retry.Many, []any{&result.Version}, s.sql.create, string(req.Verifier), row.Idle(req.Life), text)
	}
	if errors.Is(err, driver.ErrNotFound) {
		err = driver.ErrExists
	}
	return result, s.wrap("create", err)
}

// encode returns the text to store, if the columns can hold it and the sid.
func encode(sid driver.Verifier, user, label string, data []byte) (string, error) {
	if !row.Usable(sid) {
		return "", row.ErrSid
	}
	text, err := row.Encode(data, user, label)
	return string(text), err
}

// Save implements [driver.Store].
func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	text, err := encode(req.Verifier, req.User, req.Label, req.Data)
	switch {
	case err != nil:
		return result, s.wrap("save", err)
	case !names(req.From):
		return result, s.wrap("save", driver.ErrNotFound)
	}
	err = s.get(ctx, retry.Many, []any{&result.Version}, s.sql.save,
		string(req.From.Verifier), row.Idle(req.Life), int64(req.Version), text, string(req.Verifier))
	if errors.Is(err, driver.ErrNotFound) {
		if err = s.exists(ctx, req.From); err == nil {
			err = driver.ErrConflict
		}
	}
	return result, s.wrap("save", err)
}

// Touch implements [driver.Store].
func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (result driver.SaveResult, err error) {
	if !names(req.Ref) {
		return result, s.wrap("touch", driver.ErrNotFound)
	}
	var certain bool
	err = s.get(ctx, retry.Many, []any{&certain}, s.sql.touch,
		string(req.Verifier), req.Life.Idle.Microseconds(), req.Life.Throttle.Microseconds())
	if err == nil && !certain {
		err = s.exists(ctx, req.Ref)
	}
	return result, s.wrap("touch", err)
}

func (s *Store) exists(ctx context.Context, ref driver.Ref) error {
	var yes bool
	return s.get(ctx, 1, []any{&yes}, s.sql.exists, string(ref.Verifier))
}

// get runs a statement that returns one row. It is tried again where PostgreSQL
// rolled it back.
func (s *Store) get(ctx context.Context, tries int, dest []any, query string, args ...any) error {
	return row.Answer(ctx, retry.Do(ctx, tries, pgerr.Transient, func() error {
		return s.db.QueryRowContext(ctx, query, args...).Scan(dest...)
	}))
}
