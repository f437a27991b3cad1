package mysqlsession

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// End implements [driver.Store]. With the verifier it finds the row by the primary
// key; without, it reads the whole table.
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	var err error
	found := row.Found{Sid: string(req.Verifier)}
	if req.Verifier == "" {
		found, err = s.byID(ctx, req)
	} else if !s.names(driver.Ref{ID: req.ID, Verifier: req.Verifier}) {
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
	err = s.queryRow(ctx, s.sql.byID, []any{string(req.ID)}, &found.Sid, &text)
	if err == nil && req.User != nil {
		found.Version, err = row.Owned(text, *req.User)
	}
	return found, err
}

// end deletes a row, dead or alive. With a user it must have the version at which
// it was found to be that user's; if it has changed since, it is read again.
func (s *Store) end(ctx context.Context, found row.Found, user *string) error {
	sid := []byte(found.Sid)
	return row.Until(func() (bool, error) {
		var version any
		if user != nil {
			version = int64(found.Version)
		}
		n, err := affected(s.exec(ctx, s.sql.endLive, sid, sid, version, version))
		if err != nil || n > 0 {
			return true, err
		}
		n, err = affected(s.exec(ctx, s.sql.endDead, sid, sid, version, version))
		switch {
		case err != nil:
			return true, err
		case n > 0:
			return true, driver.ErrNotFound
		}
		var text []byte
		err = s.queryRow(ctx, s.sql.data, []any{sid, sid}, &text)
		if err == nil && user != nil {
			found.Version, err = row.Owned(text, *user)
		}
		return false, err
	})
}

// EndAll implements [driver.Store].
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (ended int, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "":
	case req.All:
		err = row.Answer(ctx, retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			ended, err = s.endAllOnce(ctx, req.Except, req.Limit)
			return err
		}))
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

// endAllOnce runs in REPEATABLE READ, which locks the gaps between rows too.
// Without, a row whose sid changes meanwhile could move to where the statements have
// already been.
func (s *Store) endAllOnce(ctx context.Context, except []driver.ID, limit int) (ended int, err error) {
	ids := make([]string, len(except))
	for i, id := range except {
		ids[i] = string(id)
	}
	list := strings.Join(ids, ",")
	err = s.inTx(ctx, sql.LevelRepeatableRead, func(tx *sql.Tx) error {
		ended, err = affected(tx.ExecContext(ctx, s.sql.endAll, list, limit))
		if err != nil || ended == limit {
			return err
		}
		_, err = tx.ExecContext(ctx, s.sql.endRest, list)
		return err
	})
	return ended, err
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
				return s.read(ctx, s.sql.listUser, row.Quote(req.User), string(after), req.Limit)
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
		rows, err = s.read(ctx, s.sql.load, []byte(found.Sid), []byte(found.Sid))
	}
	if errors.Is(err, driver.ErrNotFound) {
		return nil, nil
	}
	return rows, err
}

// Page returns up to limit live rows whose sids are larger than after, in the order
// that the column of sids has. It reads them by the index of the primary key.
func (s *Store) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	rows, err := s.read(ctx, s.sql.inOrder, []byte(after), limit)
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

// Stats implements [driver.Store].
func (s *Store) Stats(ctx context.Context) (stats driver.Stats, err error) {
	err = s.queryRow(ctx, s.sql.stats, nil, &stats.Live, &stats.Dead)
	return stats, s.wrap("stats", err)
}
