package pgstore

import (
	"cmp"
	"context"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
)

// End implements [driver.Store].
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	if !req.ID.Valid() {
		return notFound("end")
	}
	var user any
	if req.User != nil {
		user = *req.User
	}
	live := false
	err := s.each(ctx, retry.Many, s.sql.end, func() { live = false }, func(r rows) error {
		return r.Scan(&live)
	}, string(req.ID), user)
	if err == nil && !live {
		return notFound("end")
	}
	return because(ctx, s.wrap("end", err))
}

// EndAll implements [driver.Store].
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (total int, err error) {
	if err := req.Check(); err != nil {
		return 0, fmt.Errorf("pgstore: end all: %w", err)
	}
	which, selected := selection(req.User, req.Label)
	except := uuidsOf(req.Except)
	for {
		var found, ended int
		err := s.each(ctx, retry.Many, s.sql.endAll[which], func() {}, func(r rows) error {
			return r.Scan(&found, &ended)
		}, selected, except, req.Limit-total)
		if err != nil {
			return total, because(ctx, s.wrap("end all", err))
		}
		total += ended
		switch ended {
		case found: // all there were, or as many as may be
			return total, nil
		case 0:
			return total, fmt.Errorf("pgstore: end all: %d rows are there and can't be deleted; a trigger or policy of table %s keeps them", found, s.table)
		}
	}
}

// selection returns what EndAll and List select, and by what name.
func selection(user, label string) (which int, selected string) {
	switch {
	case user != "":
		return byUser, user
	case label != "":
		return byLabel, label
	}
	return everything, ""
}

// List implements [driver.Store].
func (s *Store) List(ctx context.Context, req driver.ListRequest) (list []driver.Row, err error) {
	if err := req.Check(); err != nil {
		return nil, fmt.Errorf("pgstore: list: %w", err)
	}
	if req.After != "" && !req.After.Valid() {
		return nil, fmt.Errorf("pgstore: list: %w: After is %.40q, which is no session's ID", driver.ErrInvalid, string(req.After))
	}
	which, selected := selection(req.User, req.Label)
	from := cmp.Or(req.After, "00000000-0000-0000-0000-000000000000")
	query, args := s.sql.list[which], []any{selected, string(from), string(req.After), req.Limit}
	if req.ID != "" {
		if !req.ID.Valid() || req.ID <= req.After {
			return nil, nil
		}
		query, args = s.sql.load, []any{string(req.ID)}
	}
	err = s.each(ctx, retry.Few, query, func() { list = nil }, func(r rows) error {
		record, err := r.record()
		if native.CheckFormat(record.format) != nil {
			record.Data = nil
		}
		list = append(list, record.named(&name{}))
		return err
	}, args...)
	if err != nil {
		return nil, because(ctx, s.wrap("list", err))
	}
	return list, nil
}

// Stats implements [driver.Store].
func (s *Store) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = s.each(ctx, retry.Few, s.sql.stats, func() {}, func(r rows) error { return r.Scan(&n.Live, &n.Dead) })
	return n, because(ctx, s.wrap("stats", err))
}
