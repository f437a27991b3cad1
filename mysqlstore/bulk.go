package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// selected returns the statements for a selection, and what they compare with.
func (s *Store) selected(user, label string) (*selection, []any) {
	switch {
	case user != "":
		return &s.sql.byUser, []any{user}
	case label != "":
		return &s.sql.byLabel, []any{label}
	}
	return &s.sql.all, nil
}

// EndAll implements [driver.Store].
//
// It keeps no lock from one statement to the next, so each of them says which rows
// it is about: one that became another user's in between is spared.
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (ended int, err error) {
	if err := req.Check(); err != nil {
		return 0, s.wrap(ctx, "end all", err)
	}
	except := make(map[rowID]bool, len(req.Except))
	for _, id := range req.Except {
		id, _ := parse(id)
		except[id] = true
	}
	on, selection := s.selected(req.User, req.Label)
	after := []byte{}
	for ended < req.Limit {
		limit, found := req.Limit-ended, 0
		var keys []any
		err := s.db.Query(ctx, on.find, slices.Concat(selection, []any{after, limit}), func(scan func(...any) error) error {
			var id rowID
			err := scan(&id)
			found, after = found+1, id[:]
			if !except[id] {
				keys = append(keys, id[:])
			}
			return err
		})
		if err != nil {
			return ended, s.wrap(ctx, "end all", err)
		}
		err = retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			n, err := onKeys(ctx, s.db.DB, on.end, keys, selection...)
			ended += n // also when a later part of them was undone
			return err
		})
		if err != nil || found < limit {
			return ended, s.wrap(ctx, "end all", err)
		}
	}
	return ended, nil
}

// An execer is a *sql.DB or *sql.Tx.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// onKeys runs a statement on the rows with these keys, and returns how many it
// changed. There are never 1,000 in one statement: MariaDB would make a subquery
// of them and then read, and lock, the whole table.
func onKeys(ctx context.Context, db execer, query string, keys []any, args ...any) (changed int, err error) {
	size := 500
	for len(keys) > 0 {
		query, part := withKeys(query, keys[:min(size, len(keys))])
		result, err := db.ExecContext(ctx, query, append(part, args...)...)
		if myerr.SafeUpdates(err) && size > 1 {
			size = 1 // under sql_safe_updates a MariaDB deletes one at a time
			continue
		}
		if err != nil {
			return changed, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return changed, err
		}
		changed += int(n)
		keys = keys[min(size, len(keys)):]
	}
	return changed, nil
}

// List implements [driver.Store].
func (s *Store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	if err := req.Check(); err != nil {
		return nil, s.wrap(ctx, "list", err)
	}
	on, selection := s.selected(req.User, req.Label)
	if req.ID != "" {
		id, ok := parse(req.ID)
		if !ok {
			return nil, nil
		}
		on, selection = &s.sql.byID, []any{bytesOf(id)}
	}
	after := []byte{}
	if req.After != "" {
		id, ok := parse(req.After)
		if !ok {
			return nil, s.wrap(ctx, "list", fmt.Errorf("%w: After is %.40q, no session's ID", driver.ErrInvalid, string(req.After)))
		}
		after = bytesOf(id)
	}
	r := newReader()
	err = s.db.Query(ctx, on.list, append(selection, after, req.Limit), func(scan func(...any) error) error {
		err := scan(r.dest[:]...)
		rows = append(rows, r.listed())
		return err
	})
	return rows, s.wrap(ctx, "list", err)
}

// Stats implements [driver.Store].
func (s *Store) Stats(ctx context.Context) (stats driver.Stats, err error) {
	err = s.db.QueryRow(ctx, s.sql.stats, nil, &stats.Live, &stats.Dead)
	return stats, s.wrap(ctx, "stats", err)
}
