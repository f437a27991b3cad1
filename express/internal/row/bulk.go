package row

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Found is a row that a read of the whole table found, dead or alive. With the
// version in the condition, a statement ends the row only as it was found.
type Found struct {
	Sid     driver.Verifier
	Version driver.Version
}

// Owned returns the version of a row with this text, or [driver.ErrNotFound] if
// the row is another user's.
func Owned(text []byte, user string) (driver.Version, error) {
	if _, owner := Decode(text); owner != user {
		return 0, driver.ErrNotFound
	}
	return Version(text), nil
}

// EndUser ends up to req.Limit live rows of req.User and all the dead ones that it
// meets, because Node can bring a dead row back to life. find returns the rows
// whose text says they may be the user's, and end ends one.
func EndUser(req driver.EndAllRequest, find func(each func(sid driver.Verifier, text []byte)) error, end func(Found) error) (ended int, err error) {
	err = Until(func() (done bool, err error) {
		var rows []Found
		err = find(func(sid driver.Verifier, text []byte) {
			if version, err := Owned(text, req.User); err == nil && !slices.Contains(req.Except, ID(string(sid))) {
				rows = append(rows, Found{sid, version})
			}
		})
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			err := end(r)
			switch {
			case err == nil:
				if ended++; ended == req.Limit {
					return true, nil
				}
			case !errors.Is(err, driver.ErrNotFound):
				return false, err
			}
		}
		return len(rows) == 0, nil // otherwise again, which finds a row whose sid changed in between
	})
	return ended, err
}

// List returns up to req.Limit rows in the order of their IDs. page returns up to
// as many after an ID, and fewer only if there are no more. Its statement can't
// tell for certain which user a row belongs to, so some may be another user's.
func List(req driver.ListRequest, page func(after driver.ID) ([]driver.Row, error)) (rows []driver.Row, err error) {
	for after := req.After; len(rows) < req.Limit; {
		found, err := page(after)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if after = r.ID; req.User == "" || r.User == req.User {
				rows = append(rows, r)
			}
		}
		if len(found) < req.Limit {
			break
		}
	}
	return rows[:min(len(rows), req.Limit)], nil
}

// Until calls f until it is done, because rows may change between what it reads
// and what it deletes.
func Until(f func() (done bool, err error)) error {
	for range 100 {
		if done, err := f(); done || err != nil {
			return err
		}
	}
	return errors.New("the rows change faster than they can be ended")
}

// one reads one row.
func (s *Store) one(ctx context.Context, query stmt.ID, args []any, dest ...any) error {
	_, err := retry.Read(ctx, s.Table.Lost, func() (none struct{}, err error) {
		err = driver.ErrNotFound
		queryErr := s.Table.Query(ctx, query, args, func(scan func(...any) error) error {
			err = nil
			return scan(dest...)
		})
		return none, cmp.Or(queryErr, err)
	})
	return err
}

func (s *Store) load(ctx context.Context, sid driver.Verifier) (driver.Row, error) {
	rows, err := s.read(ctx, s.Statements.load, s.Table.Args(sid)...)
	if err != nil || len(rows) == 0 {
		return driver.Row{}, cmp.Or(err, driver.ErrNotFound)
	}
	return rows[0], nil
}

// read reads rows with $COLUMNS: the sid, the text, the version and how many microseconds
// the row lives.
func (s *Store) read(ctx context.Context, query stmt.ID, args ...any) ([]driver.Row, error) {
	return retry.Read(ctx, s.Table.Lost, func() ([]driver.Row, error) { return s.readOnce(ctx, query, args) })
}

func (s *Store) readOnce(ctx context.Context, query stmt.ID, args []any) (rows []driver.Row, err error) {
	err = s.Table.Query(ctx, query, args, func(scan func(...any) error) error {
		var r driver.Row
		var text []byte
		var version sql.NullInt64
		var left int64
		if err := scan(&r.Verifier, &text, &version, &left); err != nil {
			return err
		}
		if text == nil || !version.Valid { // no row without data is live, but MariaDB's CAST makes it so
			return errors.New("the session is larger than the server's max_allowed_packet, which was larger when it was saved")
		}
		r.ID, r.Version = ID(string(r.Verifier)), driver.Version(version.Int64)
		r.Data, r.User = Decode(text)
		r.ExpiresIn = time.Duration(max(left, 1)) * time.Microsecond // a row lives to the end of that microsecond
		r.AbsoluteIn = math.MaxInt64
		rows = append(rows, r)
		return nil
	})
	return rows, err
}

// A queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Each runs a query and calls f for every row.
func Each(ctx context.Context, db queryer, f func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Answer turns the error of a query without a row into [driver.ErrNotFound], and adds
// to any other why ctx has ended, if the driver does not say.
func Answer(ctx context.Context, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return driver.ErrNotFound
	}
	return cause.Add(ctx, err, nil)
}
