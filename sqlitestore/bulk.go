package sqlitestore

import (
	"context"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// afterBytes returns the key of an ID, or bytes that are less than every ID's.
func afterBytes(id driver.ID) []byte {
	if id == "" {
		return []byte{0}
	}
	return native.KeyBytes(id)
}

func (t *table) List(ctx context.Context, req driver.ListRequest) (found []driver.Row, err error) {
	which, selected := native.Selection(req.User, req.Label)
	if req.ID != "" {
		which, selected = native.ByID, []any{native.KeyBytes(req.ID)}
	}
	query, args := list[which], append([]any{afterBytes(req.After), req.Limit}, selected...)
	if req.Newest {
		query, args = listNewest, []any{req.User, req.Limit}
	}
	err = t.whenFree(ctx, func() error {
		found = nil
		return t.Query(ctx, t.sql[query], args, func(from func(...any) error) error {
			row, err := scan(&native.Lookup{}, from)
			if errors.Is(err, driver.ErrSchema) {
				row.Data, err = nil, nil
			}
			found = append(found, row.Row)
			return err
		})
	})
	return found, err
}

func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.queryRow(ctx, stats, nil, &n.Live, &n.Ended, &n.Dead)
	return n, err
}
