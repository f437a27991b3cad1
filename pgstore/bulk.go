package pgstore

import (
	"cmp"
	"context"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) End(ctx context.Context, req driver.EndRequest) error {
	var user any
	if req.User != nil {
		user = *req.User
	}
	live := false
	err := t.each(ctx, retry.Many, end, func() { live = false }, func(r rows) error {
		return r.Scan(&live)
	}, string(req.ID), user)
	if err == nil && !live {
		err = driver.ErrNotFound
	}
	return err
}

func (t *table) EndAll(ctx context.Context, req driver.EndAllRequest) (total int, err error) {
	which, _ := native.Selection(req.User, req.Label)
	name := cmp.Or(req.User, req.Label)
	except := uuidsOf(req.Except)
	for {
		var found, ended int
		err := t.each(ctx, retry.Many, endAll[which], func() {}, func(r rows) error {
			return r.Scan(&found, &ended)
		}, name, except, req.Limit-total)
		if err != nil {
			return total, err
		}
		total += ended
		switch ended {
		case found: // all there were, or as many as may be
			return total, nil
		case 0:
			return total, fmt.Errorf("%d rows can't be deleted; a trigger or policy of table %s keeps them", found, t.name)
		}
	}
}

func (t *table) List(ctx context.Context, req driver.ListRequest) (found []driver.Row, err error) {
	which, _ := native.Selection(req.User, req.Label)
	from := cmp.Or(req.After, "00000000-0000-0000-0000-000000000000")
	query, args := list[which], []any{cmp.Or(req.User, req.Label), string(from), string(req.After), req.Limit}
	if req.ID != "" {
		query, args = load, []any{string(req.ID)}
	}
	err = t.each(ctx, retry.Few, query, func() { found = nil }, func(r rows) error {
		record, err := r.record()
		if native.CheckFormat(record.format) != nil {
			record.Data = nil
		}
		found = append(found, record.named(&native.Lookup{}))
		return err
	}, args...)
	return found, err
}

func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.each(ctx, retry.Few, stats, func() {}, func(r rows) error { return r.Scan(&n.Live, &n.Dead) })
	return n, err
}
