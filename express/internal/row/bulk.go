package row

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/cause"
)

// A Found is a row that a read of the whole table found, dead or alive. With the
// version in the condition, a statement ends the row only as it was found.
type Found struct {
	Sid     string
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
func EndUser(req driver.EndAllRequest, find func(each func(sid string, text []byte)) error, end func(Found) error) (ended int, err error) {
	err = Until(func() (done bool, err error) {
		var rows []Found
		err = find(func(sid string, text []byte) {
			if version, err := Owned(text, req.User); err == nil && !slices.Contains(req.Except, ID(sid)) {
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
		return len(rows) == 0, nil // else again: a row whose sid changed in between is found then
	})
	return ended, err
}

// List returns up to req.Limit rows in the order of their IDs. page returns up to
// as many after an ID, and fewer only where there are no more. Its statement can't
// tell for certain whose a row is, so there may be some that are another user's.
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

// Answer turns the error of a query without a row into [driver.ErrNotFound], and adds
// to any other why ctx has ended, where the driver does not say.
func Answer(ctx context.Context, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return driver.ErrNotFound
	}
	return cause.Add(ctx, err, nil)
}
