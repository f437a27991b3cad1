// Package mysqlsession keeps sessions in the table of express-mysql-session, the MySQL store of
// Express applications, so that Go and Node programs share them. MySQL 8.0.16 or later, or MariaDB
// 10.6 or later, through a [database/sql.DB] of the driver github.com/go-sql-driver/mysql.
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
package mysqlsession

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [driver.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use. It keeps about a
// dozen statements prepared on each connection of the pool.
type Store struct {
	db    *stmt.Cache
	table string
	shape shape
	sql   *queries
}

var _ driver.Store = (*Store)(nil)

// Load implements [driver.Store].
func (s *Store) Load(ctx context.Context, ref driver.Ref) (r driver.Row, err error) {
	if !s.names(ref) {
		return r, s.wrap("load", driver.ErrNotFound)
	}
	sid := []byte(ref.Verifier)
	r, err = scan(func(dest ...any) error {
		return s.queryRow(ctx, s.sql.load, []any{sid, sid}, dest...)
	})
	return r, s.wrap("load", err)
}

// names reports whether there can be a row that ref names.
func (s *Store) names(ref driver.Ref) bool {
	return s.shape.takesSid(ref.Verifier) && row.Names(ref)
}

func scan(from func(dest ...any) error) (r driver.Row, err error) {
	var sid, text []byte
	var version sql.NullInt64
	var left int64
	if err := from(&sid, &text, &version, &left); err != nil {
		return driver.Row{}, err
	}
	if text == nil || !version.Valid { // no row without data is live, but MariaDB's CAST makes it so
		return driver.Row{}, errors.New("the session is larger than the server's max_allowed_packet, which was larger when it was saved")
	}
	r.Ref = driver.Ref{ID: row.ID(string(sid)), Verifier: driver.Verifier(sid)}
	r.Version = driver.Version(version.Int64)
	r.Data, r.User = row.Decode(text)
	r.ExpiresIn = time.Duration(left) * time.Microsecond
	r.AbsoluteIn = math.MaxInt64
	return r, nil
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	if !row.Names(req.Ref) {
		return result, s.wrap("create", row.ErrID)
	}
	text, version, err := s.encode(ctx, req.Verifier, req.User, req.Label, req.Data)
	if err == nil {
		_, err = s.exec(ctx, s.sql.create, []byte(req.Verifier), row.Idle(req.Life), text)
	}
	if err != nil {
		return result, s.wrap("create", err)
	}
	return driver.SaveResult{Version: version}, nil
}

// encode returns the text to store, if the columns can hold it and the sid, and
// the version of a row with it. The row can't be asked for that when it is written:
// by then another request may have written it again.
func (s *Store) encode(ctx context.Context, sid driver.Verifier, user, label string, data []byte) (_ string, version driver.Version, err error) {
	if !s.shape.takesSid(sid) {
		return "", 0, row.ErrSid
	}
	text, err := row.Encode(data, user, label)
	if err == nil {
		err = s.shape.checkText(text)
	}
	switch {
	case err != nil:
	case s.shape.json:
		err = s.queryRow(ctx, s.sql.versionOf, []any{string(text)}, &version)
	default:
		version = row.Version(text)
	}
	return string(text), version, err
}

// Save implements [driver.Store].
func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	text, version, err := s.encode(ctx, req.Verifier, req.User, req.Label, req.Data)
	switch {
	case err != nil:
		return result, s.wrap("save", err)
	case !s.names(req.From):
		return result, s.wrap("save", driver.ErrNotFound)
	}
	sid := []byte(req.From.Verifier)
	err = s.update(ctx, s.sql.save, []byte(req.Verifier), row.Idle(req.Life), text, sid, sid, int64(req.Version))
	if errors.Is(err, driver.ErrNotFound) {
		var live bool
		if err = s.queryRow(ctx, s.sql.current, []any{sid, sid}, &live); err == nil {
			err = driver.ErrConflict
		}
	}
	if err != nil {
		return result, s.wrap("save", err)
	}
	return driver.SaveResult{Version: version}, nil
}

// Touch implements [driver.Store].
func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (result driver.SaveResult, err error) {
	if !s.names(req.Ref) {
		return result, s.wrap("touch", driver.ErrNotFound)
	}
	sid, idle := []byte(req.Verifier), req.Life.Idle.Microseconds()
	err = s.update(ctx, s.sql.touch, idle, idle-req.Life.Throttle.Microseconds(), idle, sid, sid)
	return result, s.wrap("touch", err)
}

// update runs an UPDATE with $MARK, and returns driver.ErrNotFound if it found no row.
func (s *Store) update(ctx context.Context, query string, args ...any) error {
	result, err := s.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	mark, err := result.LastInsertId()
	if err == nil && mark == 0 {
		err = driver.ErrNotFound
	}
	return err
}

// exec runs a statement that is tried again where the database rolled it back.
func (s *Store) exec(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = retry.Do(ctx, retry.Few, myerr.Waited, func() error {
		return retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			result, err = s.db.Run(ctx, query, args...)
			return err
		})
	})
	return result, row.Answer(ctx, err)
}

func (s *Store) queryRow(ctx context.Context, query string, args []any, dest ...any) error {
	return row.Answer(ctx, s.db.QueryRow(ctx, query, args, dest...))
}

func (s *Store) query(ctx context.Context, query string, args []any, each func(from func(...any) error) error) error {
	return row.Answer(ctx, s.db.Query(ctx, query, args, each))
}
