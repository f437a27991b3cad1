package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// End implements [driver.Store].
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	id, ok := key(req.ID)
	if !ok {
		return s.wrap("end", driver.ErrNotFound)
	}
	var user any
	if req.User != nil {
		user = *req.User
	}
	var live bool
	// All rows are read, one at most: some drivers report only then that SQLite
	// could not commit, and took the statement back.
	err := s.write(ctx, func() error {
		live = false
		return s.db.Query(ctx, s.sql.end, []any{id, user}, func(from func(...any) error) error { return from(&live) })
	})
	if err == nil && !live {
		err = driver.ErrNotFound
	}
	return s.wrap("end", err)
}

// EndAll implements [driver.Store].
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (int, error) {
	if err := req.Check(); err != nil {
		return 0, s.wrap("end all", err)
	}
	except, err := json.Marshal(append([]driver.ID{}, req.Except...))
	if err != nil {
		return 0, s.wrap("end all", err)
	}
	query, args := s.sql.endAll, []any{string(except), req.Limit}
	switch {
	case req.User != "":
		query, args = s.sql.endUser, append(args, req.User)
	case req.Label != "":
		query, args = s.sql.endLabel, append(args, req.Label)
	}
	n, err := s.exec(ctx, query, args...)
	return int(n), s.wrap("end all", err)
}

// List implements [driver.Store].
func (s *Store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	if err := req.Check(); err != nil {
		return nil, s.wrap("list", err)
	}
	after := []byte{0} // every ID is larger
	if req.After != "" {
		var ok bool
		if after, ok = key(req.After); !ok {
			return nil, s.wrap("list", fmt.Errorf("%w: After is not a canonical UUID", driver.ErrInvalid))
		}
	}
	query, args := s.sql.listAll, []any{after, req.Limit}
	switch {
	case req.ID != "":
		id, ok := key(req.ID)
		if !ok {
			return nil, nil
		}
		query, args = s.sql.listID, append(args, id)
	case req.User != "":
		query, args = s.sql.listUser, append(args, req.User)
	case req.Label != "":
		query, args = s.sql.listLabel, append(args, req.Label)
	}
	err = s.whenFree(ctx, func() error {
		rows = nil
		return s.db.Query(ctx, query, args, func(from func(...any) error) error {
			row, format, err := scan(from)
			if native.CheckFormat(format) != nil {
				row.Data = nil
			}
			rows = append(rows, row)
			return err
		})
	})
	if err != nil {
		return nil, s.wrap("list", err)
	}
	return rows, nil
}

// Stats implements [driver.Store].
func (s *Store) Stats(ctx context.Context) (stats driver.Stats, err error) {
	err = s.queryRow(ctx, s.sql.stats, nil, &stats.Live, &stats.Dead)
	return stats, s.wrap("stats", err)
}
