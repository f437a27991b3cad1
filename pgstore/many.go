package pgstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/batch"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// errUnreadable is the error of a batch that has a row which can't be read.
var errUnreadable = errors.New("a row can't be read")

func (t *table) LoadRows(ctx context.Context, calls []*batch.LoadCall, byKey map[native.Key]*batch.LoadCall) error {
	ids := make(uuids, len(calls))
	for i, c := range calls {
		ids[i] = pgtype.UUID{Bytes: c.In.Key, Valid: true}
	}
	reset := func() {
		for _, c := range calls {
			c.Out, c.Err = native.Row{}, nil
		}
	}
	return t.each(ctx, retry.Few, loadMany, reset, func(found rows) error {
		r, err := found.record()
		if err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		if c := byKey[r.id]; c != nil {
			c.Out, c.Err = r.named(&c.In), native.CheckFormat(r.format)
		}
		return nil
	}, ids)
}

func (t *table) CreateRows(ctx context.Context, calls []*batch.WriteCall) {
	made, err := t.written(ctx, createMany, columnsOf(calls, true)...)
	if err != nil {
		batch.Fail(calls, err, t.Refused(err))
		return
	}
	for _, c := range calls {
		if made[c.In.NewVersion] {
			c.Out.Version = c.In.NewVersion
		} else {
			c.Err = driver.ErrExists
		}
	}
}

func (t *table) SaveRows(ctx context.Context, calls []*batch.WriteCall) {
	saved, err := t.written(ctx, saveMany, columnsOf(calls, false)...)
	var now map[driver.ID]driver.Row
	if err == nil && len(saved) < len(calls) {
		now, err = t.states(ctx, calls)
	}
	refused := t.Refused(err)
	for _, c := range calls {
		switch is := now[c.In.From.ID]; {
		case saved[c.In.NewVersion]:
			c.Out.Version = c.In.NewVersion
		case refused:
			c.RunAlone = true
		case err != nil:
			c.Err = err
		case !native.Proves(c.In.From.Verifier, is.Verifier):
			c.Err = driver.ErrNotFound
		case is.Version != c.In.Version:
			c.Err = driver.ErrConflict
		default:
			c.RunAlone = true // the row is locked
		}
	}
}

// written runs a statement that returns the versions of the rows it wrote.
func (t *table) written(ctx context.Context, query stmt.ID, args ...any) (versions map[driver.Version]bool, err error) {
	err = t.each(ctx, retry.Few, query, func() { versions = make(map[driver.Version]bool) }, func(r rows) error {
		var version int64
		err := r.Scan(&version)
		versions[driver.Version(version)] = true
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return versions, nil
}

// states returns the verifiers and versions of the rows that are live.
func (t *table) states(ctx context.Context, calls []*batch.WriteCall) (now map[driver.ID]driver.Row, err error) {
	err = t.each(ctx, retry.Few, states, func() { now = make(map[driver.ID]driver.Row) }, func(r rows) error {
		var id string
		var verifier []byte
		var version int64
		err := r.Scan(&id, &verifier, &version)
		row := driver.Row{Version: driver.Version(version)}
		row.Verifier = driver.Verifier(verifier)
		now[driver.ID(id)] = row
		return err
	}, keysOf(calls))
	return now, err
}

func (t *table) TouchRows(ctx context.Context, calls []*batch.WriteCall) {
	n := len(calls)
	idle, throttle, proofs := make(int8s, n), make(int8s, n), make(byteas, n)
	for i, c := range calls {
		w := &c.In
		proofs[i] = []byte(w.From.Verifier)
		idle[i], throttle[i] = w.Life.Idle.Microseconds(), w.Life.Throttle.Microseconds()
	}
	reset := func() {
		for _, c := range calls {
			c.Err, c.RunAlone = nil, false
		}
	}
	err := t.each(ctx, retry.Few, touchMany, reset, func(r rows) error {
		var i int
		var there bool
		if err := r.Scan(&i, &there); err != nil {
			return err
		}
		if calls[i-1].RunAlone = there; !there {
			calls[i-1].Err = driver.ErrNotFound
		}
		return nil
	}, keysOf(calls), idle, throttle, proofs)
	if err != nil {
		reset()
		batch.Fail(calls, err, t.Refused(err))
	}
}

// columnsOf returns the columns of many creates or saves. One that has only zeros is NULL:
// then unnest has nothing to unpack, and gives a NULL for each of them. No array has a NULL in
// it: in text, that means something else if array_nulls is off.
func columnsOf(calls []*batch.WriteCall, create bool) []any {
	n := len(calls)
	var verifiers byteas
	var users, labels texts
	var absolute, authenticated, pending, keep, grace int8s
	proofs, data := make(byteas, n), make(texts, n)
	idle, versions, replaced := make(int8s, n), make(int8s, n), make(int8s, n)
	for i, c := range calls {
		w := &c.In
		idle[i], versions[i], replaced[i] = w.Life.Idle.Microseconds(), int64(w.NewVersion), int64(w.Version)
		proofs[i], data[i] = []byte(w.From.Verifier), string(w.Data)
		set(&absolute, n, i, w.Life.Absolute.Microseconds())
		set(&users, n, i, w.User)
		set(&labels, n, i, w.Label)
		set(&keep, n, i, w.Keep.Microseconds())
		set(&grace, n, i, w.Grace.Microseconds())
		if w.Authenticated {
			set(&authenticated, n, i, 1)
		}
		if w.Pending {
			set(&pending, n, i, 1)
		}
		if w.Verifier != w.From.Verifier {
			if verifiers == nil {
				verifiers = slices.Repeat(byteas{{}}, n)
			}
			verifiers[i] = []byte(w.Verifier)
		}
	}
	columns := []any{keysOf(calls), idle, absolute, versions, verifiers, users, labels, authenticated, pending}
	if create {
		columns = append(columns, keep)
	} else {
		columns = append(columns, proofs, replaced, grace)
	}
	return append(columns, data)
}

func keysOf(calls []*batch.WriteCall) uuids {
	ids := make(uuids, len(calls))
	for i, c := range calls {
		ids[i] = pgtype.UUID{Bytes: c.In.Key, Valid: true}
	}
	return ids
}

// set puts a value in a column of n, unless it is zero.
func set[C ~[]E, E comparable](column *C, n, i int, value E) {
	var zero E
	if value == zero {
		return
	}
	if *column == nil {
		*column = make(C, n)
	}
	(*column)[i] = value
}
