package pgstore

import (
	"cmp"
	"context"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) LoadRow(ctx context.Context, l native.Lookup) (row native.Row, err error) {
	err = t.each(ctx, retry.Many, load, func() { row = native.Row{} }, func(found rows) error {
		r, err := found.record()
		row = r.named(&l)
		return cmp.Or(err, native.CheckFormat(r.format))
	}, string(l.ID))
	return row, err
}

func (t *table) CreateRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	n, err := t.exec(ctx, create, t.args(&w, true)...)
	if err == nil && n == 0 {
		err = driver.ErrExists
	}
	return driver.SaveResult{Version: w.NewVersion}, err
}

func (t *table) SaveRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	n, err := t.exec(ctx, save, t.args(&w, false)...)
	if err == nil && n == 0 {
		err = cmp.Or(t.check(ctx, w.From), driver.ErrConflict)
	}
	return driver.SaveResult{Version: w.NewVersion}, err
}

// check returns nil if the row is there and has this verifier.
func (t *table) check(ctx context.Context, ref driver.Ref) error {
	var verifier []byte
	err := t.each(ctx, retry.Many, state, func() { verifier = nil }, func(found rows) error {
		return found.Scan(&verifier)
	}, string(ref.ID))
	if err == nil && !native.Proves(ref.Verifier, driver.Verifier(verifier)) {
		err = driver.ErrNotFound
	}
	return err
}

func (t *table) TouchRow(ctx context.Context, w native.Write) (none driver.SaveResult, err error) {
	var found, certain bool
	err = t.each(ctx, retry.Many, touch, func() { found = false }, func(r rows) error {
		found = true
		return r.Scan(&certain)
	}, string(w.From.ID), w.Life.Idle.Microseconds(), w.Life.Throttle.Microseconds(), []byte(w.From.Verifier))
	switch {
	case err != nil:
		return none, err
	case !found:
		return none, driver.ErrNotFound
	case !certain: // another statement changed it at the same time
		return none, t.check(ctx, w.From)
	}
	return none, nil
}

// args are the parameters of a create or save. The data comes last: in front of
// others it would make pgx move a large buffer.
func (t *table) args(w *native.Write, create bool) []any {
	var verifier any
	if w.Verifier != w.From.Verifier {
		verifier = []byte(w.Verifier)
	}
	args := make([]any, 0, 13)
	args = append(args, string(w.From.ID), t.idle.param(w.Life.Idle), atLeastOne(w.Life.Absolute), int64(w.NewVersion), verifier,
		null(w.User), null(w.Label), w.Authenticated, w.Pending)
	if create {
		args = append(args, atLeastOne(w.Keep))
	} else {
		args = append(args, []byte(w.From.Verifier), int64(w.Version), atLeastOne(w.Grace))
	}
	return append(args, t.db.json(w.Data))
}

// atLeastOne returns a duration in microseconds, or NULL if it is none.
func atLeastOne(d time.Duration) any {
	if us := d.Microseconds(); us > 0 {
		return us
	}
	return nil
}
