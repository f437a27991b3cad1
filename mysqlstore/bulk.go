package mysqlstore

import (
	"context"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) End(ctx context.Context, req driver.EndRequest) error {
	args := []any{native.KeyBytes(req.ID), true, nil}
	if req.User != nil {
		args[1], args[2] = false, null(*req.User)
	}
	n, err := t.exec(ctx, end, args...)
	if err == nil && n == 0 {
		if _, err = t.exec(ctx, endDead, args...); err == nil {
			err = driver.ErrNotFound
		}
	}
	return err
}

// EndAll keeps no lock from one statement to the next, so each of them says which rows
// it is about: one that became another user's in between is spared.
func (t *table) EndAll(ctx context.Context, req driver.EndAllRequest) (ended int, err error) {
	except := make(map[rowID]bool, len(req.Except))
	for _, id := range req.Except {
		except[rowID(native.KeyBytes(id))] = true
	}
	which, selected := native.Selection(req.User, req.Label)
	after := []byte{}
	for ended < req.Limit {
		limit, found := req.Limit-ended, 0
		var keys []any
		err := t.query(ctx, endAllFind[which], slices.Concat(selected, []any{after, limit}), func(scan func(...any) error) error {
			var id rowID
			err := scan(&id)
			found, after = found+1, id[:]
			if !except[id] {
				keys = append(keys, id[:])
			}
			return err
		})
		if err != nil {
			return ended, err
		}
		err = retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			n, err := t.execKeys(ctx, t.db.DB, endAllKeys[which], keys, selected...)
			ended += n // also if a later part of them was undone
			return err
		})
		if err != nil || found < limit {
			return ended, err
		}
	}
	return ended, nil
}

func (t *table) List(ctx context.Context, req driver.ListRequest) (found []driver.Row, err error) {
	which, selected := native.Selection(req.User, req.Label)
	if req.ID != "" {
		which, selected = native.ByID, []any{native.KeyBytes(req.ID)}
	}
	after := []byte{}
	if req.After != "" {
		after = native.KeyBytes(req.After)
	}
	r := newReader()
	err = t.query(ctx, list[which], append(selected, after, req.Limit), func(scan func(...any) error) error {
		err := scan(r.dest[:]...)
		found = append(found, r.listed())
		return err
	})
	return found, err
}

func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.db.QueryRow(ctx, t.sql[stats], nil, &n.Live, &n.Dead)
	return n, err
}
