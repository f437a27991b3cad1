package pgsimple

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/retry"
)

// End implements [driver.Store]. With the verifier it finds the row by the primary
// key; without, it reads the whole table.
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	var err error
	found := row.Found{Sid: string(req.Verifier)}
	if req.Verifier == "" {
		found, err = s.byID(ctx, req)
	} else if !names(driver.Ref{ID: req.ID, Verifier: req.Verifier}) {
		err = driver.ErrNotFound
	}
	if err == nil {
		err = s.end(ctx, found, req.User)
	}
	return s.wrap("end", err)
}

// byID returns the row with the derived ID, dead or alive, if it is the user's.
func (s *Store) byID(ctx context.Context, req driver.EndRequest) (found row.Found, err error) {
	if !req.ID.Valid() {
		return found, driver.ErrNotFound
	}
	var text []byte
	err = s.get(ctx, 1, []any{&found.Sid, &text}, s.sql.byID, string(req.ID))
	if err == nil && req.User != nil {
		found.Version, err = row.Owned(text, *req.User)
	}
	return found, err
}

// end deletes a row, dead or alive. With a user it must have the version at which
// it was found to be that user's; if it has changed since, it is read again.
func (s *Store) end(ctx context.Context, found row.Found, user *string) error {
	return row.Until(func() (bool, error) {
		var version any
		if user != nil {
			version = int64(found.Version)
		}
		var live bool
		err := s.get(ctx, retry.Many, []any{&live}, s.sql.end, found.Sid, version)
		switch {
		case err == nil && !live:
			return true, driver.ErrNotFound
		case !errors.Is(err, driver.ErrNotFound) || user == nil:
			return true, err
		}
		var text []byte
		if err := s.get(ctx, 1, []any{&text}, s.sql.text, found.Sid); err != nil {
			return false, err
		}
		found.Version, err = row.Owned(text, *user)
		return false, err
	})
}

// EndAll implements [driver.Store].
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (ended int, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "":
	case req.All:
		ended, err = s.endAll(ctx, req.Except, req.Limit)
	default:
		ended, err = row.EndUser(req, func(each func(string, []byte)) error {
			return s.query(ctx, s.sql.byUser, []any{row.Quote(req.User)}, func(from func(...any) error) error {
				var sid string
				var text []byte
				err := from(&sid, &text)
				if err == nil {
					each(sid, text)
				}
				return err
			})
		}, func(found row.Found) error { return s.end(ctx, found, &req.User) })
	}
	return ended, s.wrap("end all", err)
}

func (s *Store) endAll(ctx context.Context, except []driver.ID, limit int) (ended int, err error) {
	list, err := json.Marshal(append([]driver.ID{}, except...)) // [], not null
	if err != nil {
		return 0, err
	}
	err = s.get(ctx, retry.Many, []any{&ended}, s.sql.endAll, string(list), limit)
	if err != nil || ended == limit {
		return ended, err
	}
	var rest int
	err = s.get(ctx, retry.Many, []any{&rest}, s.sql.endRest, string(list))
	return min(ended+rest, limit), err // more than that only where rows came or moved while it ran
}

// List implements [driver.Store].
func (s *Store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "":
	case req.ID != "":
		if req.ID > req.After {
			rows, err = s.listOne(ctx, req.ID)
		}
	default:
		rows, err = row.List(req, func(after driver.ID) ([]driver.Row, error) {
			if req.User != "" {
				return s.read(ctx, s.sql.listUser, string(after), req.Limit, row.Quote(req.User))
			}
			return s.read(ctx, s.sql.list, string(after), req.Limit)
		})
	}
	return rows, s.wrap("list", err)
}

func (s *Store) listOne(ctx context.Context, id driver.ID) ([]driver.Row, error) {
	found, err := s.byID(ctx, driver.EndRequest{ID: id})
	var rows []driver.Row
	if err == nil {
		rows, err = s.read(ctx, s.sql.load, found.Sid)
	}
	if errors.Is(err, driver.ErrNotFound) {
		return nil, nil
	}
	return rows, err
}

// Page returns up to limit live rows whose sids are larger than after, in the order
// that the column sid has. It reads them by the index of the primary key.
func (s *Store) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	rows, err := s.read(ctx, s.sql.inOrder, string(after), limit)
	return rows, s.wrap("page", err)
}

func (s *Store) read(ctx context.Context, query string, args ...any) (rows []driver.Row, err error) {
	err = s.query(ctx, query, args, func(from func(...any) error) error {
		r, err := scan(from)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

// query calls each for every row that a statement returns.
func (s *Store) query(ctx context.Context, query string, args []any, each func(from func(...any) error) error) error {
	found, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return row.Answer(ctx, err)
	}
	defer found.Close()
	for found.Next() {
		if err := each(found.Scan); err != nil {
			return row.Answer(ctx, err)
		}
	}
	return row.Answer(ctx, found.Err())
}

// Stats implements [driver.Store].
func (s *Store) Stats(ctx context.Context) (stats driver.Stats, err error) {
	err = s.get(ctx, 1, []any{&stats.Live, &stats.Dead}, s.sql.stats)
	return stats, s.wrap("stats", err)
}
