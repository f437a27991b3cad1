package pgstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

func (t *table) End(ctx context.Context, req driver.EndRequest) error {
	var user, version any
	if req.User != nil {
		user = *req.User
	}
	if req.Version != 0 {
		version = int64(req.Version)
	}
	const tries = 3 // it may live only since a save has ended that the first one did not wait for
	for range tries {
		n, err := t.exec(ctx, end, string(req.ID), int64(native.NewVersion()), req.Reason, req.Keep.Microseconds(), user, version)
		if err != nil || n > 0 {
			return err
		}
		var now driver.Version
		var live bool
		err = t.each(ctx, retry.Many, standing, func() { live = false }, func(r rows) error { return r.Scan(&now, &live) }, string(req.ID), user)
		switch {
		case err != nil:
			return err
		case !live:
			return driver.ErrNotFound
		case version != nil && now != req.Version:
			return driver.ErrConflict
		}
	}
	return native.Kept(t.name)
}

func (t *table) EndAll(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
	which, _ := native.Selection(req.User, req.Label)
	name, after := cmp.Or(req.User, req.Label), req.After
	except := uuidsOf(req.Except)
	for {
		var found, live, ended int
		var last string
		limit := req.Limit - result.Ended
		err := t.each(ctx, retry.Many, endAll[which], func() {}, func(r rows) error {
			return r.Scan(&found, &live, &ended, &last)
		}, name, int64(native.NewVersion()), req.Reason, req.Keep.Microseconds(), from(after), string(after), except, limit)
		if err != nil {
			return result, err
		}
		result.Ended += ended
		result.Last = max(result.Last, driver.ID(last))
		switch {
		case ended < live && ended == 0:
			return result, native.Kept(t.name)
		case ended < live: // once more
		case found < limit: // all there were
			return result, nil
		case result.Ended == req.Limit:
			result.More = true
			return result, nil
		default: // some of them had expired
			after = result.Last
		}
	}
}

// from returns the least ID that can come after another.
func from(after driver.ID) string {
	return string(cmp.Or(after, "00000000-0000-0000-0000-000000000000"))
}

func (t *table) PutMark(ctx context.Context, m native.Mark) error {
	args := []any{string(m.ID), int64(native.NewVersion()), string(m.Data), m.Keep.Microseconds()}
	_, err := t.exec(ctx, putMark, slices.Clone(args)...)
	for try := 0; pgerr.NoKey(err) && try < retry.Few; try++ {
		for _, query := range []stmt.ID{putOldMark, putNewMark} {
			n, oneErr := t.exec(ctx, query, slices.Clone(args)...)
			if oneErr != nil || n > 0 {
				return oneErr
			}
		}
	}
	return err
}

func (t *table) Marks(ctx context.Context, ids []driver.ID) (found []native.Mark, err error) {
	query, args := marks[0], make([]any, 3)
	if len(ids) > len(args) {
		query, args = marks[1], []any{uuidsOf(ids)}
	} else {
		for i := range args {
			args[i] = string(ids[min(i, len(ids)-1)])
		}
	}
	err = t.each(ctx, retry.Many, query, func() { found = nil }, func(r rows) error {
		var m native.Mark
		var set, now instant
		err := r.Scan(&m.ID, &m.Data, &set, &now)
		m.Age = now.Sub(set.Time)
		found = append(found, m)
		return err
	}, args...)
	return found, err
}

func (t *table) Endings(ctx context.Context, ids []driver.ID) (found []driver.Ending, err error) {
	err = t.each(ctx, retry.Many, endings, func() { found = nil }, func(r rows) error {
		var e driver.Ending
		var ended, expired instant
		var idle sql.NullBool
		err := r.Scan(&e.ID, &e.Gone, &ended, &e.Reason, &expired, &idle)
		switch {
		case e.Gone:
		case ended.IsZero():
			e.At, e.Idle = expired.Local(), idle.Bool
		default:
			e.At = ended.Local()
		}
		found = append(found, e)
		return err
	}, uuidsOf(ids))
	return found, err
}

func (t *table) List(ctx context.Context, req driver.ListRequest) (found []driver.Row, err error) {
	which, _ := native.Selection(req.User, req.Label)
	query, args := list[which], []any{cmp.Or(req.User, req.Label), from(req.After), string(req.After), req.Limit}
	switch {
	case req.ID != "":
		query, args = load, []any{string(req.ID)}
	case req.Newest:
		query, args = listNewest, []any{req.User, req.Limit}
	}
	err = t.each(ctx, retry.Few, query, func() { found = nil }, func(r rows) error {
		record, err := r.record()
		if native.CheckFormat(record.format) != nil {
			record.Data = nil
		}
		found = append(found, record.named(&native.Lookup{}).Row)
		return err
	}, args...)
	return found, err
}

func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.each(ctx, retry.Few, stats, func() {}, func(r rows) error { return r.Scan(&n.Live, &n.Ended, &n.Dead) })
	return n, err
}
