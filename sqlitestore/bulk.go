package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

func (t *table) End(ctx context.Context, req driver.EndRequest) error {
	var user any
	if req.User != nil {
		user = *req.User
	}
	var live bool
	// All rows are read, which is one at most: some drivers report only then that SQLite
	// could not commit, and undid the statement.
	err := t.write(ctx, func() error {
		live = false
		return t.Query(ctx, t.sql[end], []any{native.KeyBytes(req.ID), user}, func(from func(...any) error) error { return from(&live) })
	})
	if err == nil && !live {
		err = driver.ErrNotFound
	}
	return err
}

func (t *table) EndAll(ctx context.Context, req driver.EndAllRequest) (int, error) {
	except, err := json.Marshal(append([]driver.ID{}, req.Except...)) // [], not null
	if err != nil {
		return 0, err
	}
	which, selected := native.Selection(req.User, req.Label)
	n, err := t.exec(ctx, endAll[which], append([]any{string(except), req.Limit}, selected...)...)
	return int(n), err
}

func (t *table) List(ctx context.Context, req driver.ListRequest) (found []driver.Row, err error) {
	which, selected := native.Selection(req.User, req.Label)
	if req.ID != "" {
		which, selected = native.ByID, []any{native.KeyBytes(req.ID)}
	}
	after := []byte{0} // every ID is larger
	if req.After != "" {
		after = native.KeyBytes(req.After)
	}
	err = t.whenFree(ctx, func() error {
		found = nil
		return t.Query(ctx, t.sql[list[which]], append([]any{after, req.Limit}, selected...), func(from func(...any) error) error {
			row, err := scan(&native.Lookup{}, from)
			if errors.Is(err, driver.ErrSchema) {
				row.Data, err = nil, nil
			}
			found = append(found, row)
			return err
		})
	})
	return found, err
}

func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.queryRow(ctx, stats, nil, &n.Live, &n.Dead)
	return n, err
}
