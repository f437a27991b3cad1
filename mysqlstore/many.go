package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/batch"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

func (t *table) LoadRows(ctx context.Context, calls []*batch.LoadCall, byKey map[native.Key]*batch.LoadCall) error {
	keys := make([]any, len(calls))
	for i, c := range calls {
		keys[i] = c.In.Key[:]
	}
	r := newReader()
	return retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		for _, c := range calls {
			c.Out, c.Err = native.Row{}, nil // whatever an earlier try found
		}
		return t.queryKeys(ctx, loadMany, keys, func(scan func(...any) error) error {
			if err := scan(r.dest[:]...); err != nil {
				return err
			}
			if c := byKey[native.Key(r.id)]; c != nil {
				c.Out, c.Err = r.row(&c.In)
			}
			return nil
		})
	})
}

func (t *table) CreateRows(ctx context.Context, calls []*batch.WriteCall) {
	n, err := t.execMany(ctx, createMany, calls, (*array).row)
	changed(t, calls, n, err)
}

// SaveRows saves the rows whose version is that of their call.
func (t *table) SaveRows(ctx context.Context, calls []*batch.WriteCall) {
	if calls = t.free(ctx, calls, true); len(calls) > 0 {
		n, err := t.saveRows(ctx, calls)
		changed(t, calls, n, err)
	}
}

// What saves usually have in common.
var common = []func(w *native.Write) any{
	pending, authenticated, idleOf, absolute, renews, grace,
}

func pending(w *native.Write) any       { return w.Pending }
func authenticated(w *native.Write) any { return w.Authenticated }
func idleOf(w *native.Write) any        { return idle(w.Life) }
func absolute(w *native.Write) any      { return span(w.Life.Absolute) }
func renews(w *native.Write) any        { return w.Verifier != w.From.Verifier }
func grace(w *native.Write) any         { return span(w.Grace) }

func (t *table) saveRows(ctx context.Context, calls []*batch.WriteCall) (n int, err error) {
	first := &calls[0].In
	mixed := slices.ContainsFunc(calls, func(c *batch.WriteCall) bool {
		return slices.ContainsFunc(common, func(value func(w *native.Write) any) bool { return value(&c.In) != value(first) })
	})
	renewed := first.Verifier != first.From.Verifier
	query := saveMany[0]
	switch {
	case mixed:
		query = saveMixed
	case renewed:
		query = saveMany[1]
	}
	text, keys := withKeys(t.sql[query], each(calls, len(calls), func(w *native.Write) any { return w.Key[:] }))
	var args []any
	pick := func(values ...func(w *native.Write) any) {
		for _, value := range values {
			args = append(append(args, keys...), each(calls, len(keys), value)...)
		}
	}
	verifier := func(w *native.Write) any {
		if w.Verifier == w.From.Verifier {
			return nil
		}
		return []byte(w.Verifier)
	}
	switch {
	case mixed:
		pick(verifier, renews, renews, previous, renews, grace)
	case renewed:
		pick(verifier, previous)
		args = append(args, grace(first))
	}
	pick(
		func(w *native.Write) any { return null(w.User) },
		func(w *native.Write) any { return null(w.Label) },
		func(w *native.Write) any { return w.Data },
		func(w *native.Write) any { return int64(w.NewVersion) },
	)
	if shared := []func(w *native.Write) any{pending, authenticated, idleOf, idleOf, absolute, absolute}; mixed {
		pick(shared...)
	} else {
		for _, value := range shared {
			args = append(args, value(first))
		}
	}
	args = append(args, keys...)
	pick(func(w *native.Write) any { return int64(w.Version) })
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		if len(args) > mostKept {
			n, err = t.execOnce(ctx, text, args)
		} else {
			n, err = mysqldb.Affected(mysqldb.Once(ctx, t.db, text, args...))
		}
		return err
	})
	return n, err
}

// mostKept is how many parameters a save may have that stays prepared. Each takes half a
// kilobyte of the server's memory, for each connection.
const mostKept = 512

// each returns a value of each call, with NULLs up to a number of places.
func each(calls []*batch.WriteCall, places int, value func(w *native.Write) any) []any {
	values := make([]any, places)
	for i, c := range calls {
		values[i] = value(&c.In)
	}
	return values
}

func (t *table) TouchRows(ctx context.Context, calls []*batch.WriteCall) {
	if free := t.free(ctx, calls, false); len(free) > 0 {
		if _, err := t.execMany(ctx, touchMany, free, (*array).touch); err != nil {
			batch.Fail(free, err, t.Refused(err))
		}
	}
}

// free returns the calls whose row is there, has the verifier, and the version if
// that matters, and is not locked. A row that is not found may be locked, and its
// call runs alone: an UPDATE would wait for the row while holding the others, and
// their callers would wait too.
func (t *table) free(ctx context.Context, calls []*batch.WriteCall, versions bool) (free []*batch.WriteCall) {
	keys := make([]any, len(calls))
	missing := make(map[rowID]*batch.WriteCall, len(calls))
	for i, c := range calls {
		keys[i] = c.In.Key[:]
		missing[rowID(c.In.Key)] = c
	}
	var id rowID
	var verifier binary
	var version integer
	err := t.queryKeys(ctx, freeMany, keys, func(scan func(...any) error) error {
		if err := scan(&id, &verifier, &version); err != nil {
			return err
		}
		c := missing[id]
		delete(missing, id)
		if !native.Proves(c.In.From.Verifier, driver.Verifier(verifier)) {
			c.Err = driver.ErrNotFound
		} else if versions && c.In.Version != driver.Version(version) {
			c.Err = driver.ErrConflict
		}
		return nil
	})
	if err != nil {
		batch.Fail(calls, err, t.Refused(err))
		return nil
	}
	for _, c := range calls {
		if c.RunAlone = missing[rowID(c.In.Key)] != nil; !c.RunAlone && c.Err == nil {
			free = append(free, c)
		}
	}
	return free
}

// changed gives the calls the result of a statement that wrote all their rows. Where a row was
// missing it is not known which.
func changed(t *table, calls []*batch.WriteCall, n int, err error) {
	if err == nil && n != len(calls) {
		err = fmt.Errorf("the server changed %d rows instead of %d", n, len(calls))
	}
	if err != nil {
		batch.Fail(calls, err, t.Refused(err))
		return
	}
	for _, c := range calls {
		c.Out.Version = c.In.NewVersion
	}
}

// execMany runs a statement on the rows of all calls, which put adds to its array.
func (t *table) execMany(ctx context.Context, query stmt.ID, calls []*batch.WriteCall, put func(*array, *native.Write)) (int, error) {
	size := 0
	for _, c := range calls {
		size += 256 + len(c.In.Data)*5/4
	}
	a := array{json: make([]byte, 0, size)}
	for _, c := range calls {
		put(&a, &c.In)
	}
	rows, err := a.done()
	if err != nil {
		return 0, err
	}
	var result sql.Result
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		result, err = mysqldb.Once(ctx, t.db, t.sql[query], rows)
		return err
	})
	return mysqldb.Affected(result, err)
}
