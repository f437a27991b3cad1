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
	for _, c := range calls {
		c.In.Version = c.In.NewVersion
	}
	t.changeAll(ctx, createMany, calls, (*array).row, 0)
}

// SaveRows saves the rows whose version is that of their call.
func (t *table) SaveRows(ctx context.Context, calls []*batch.WriteCall) {
	free := t.free(ctx, calls, true)
	mask := int64(native.NewVersion())
	if slices.ContainsFunc(free, renews) {
		t.changeAll(ctx, renewMany, free, (*array).row, mask)
	} else {
		t.changeAll(ctx, saveMany, free, (*array).save, mask)
	}
}

// renews reports whether a save changes what most saves leave alone.
func renews(c *batch.WriteCall) bool {
	return c.In.Verifier != c.In.From.Verifier || c.In.Life.Absolute > 0 || c.In.Authenticated || c.In.Pending
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

// changeAll runs a statement that writes the rows of all calls or, with an error,
// none. Their versions change by the mask.
func (t *table) changeAll(ctx context.Context, query stmt.ID, calls []*batch.WriteCall, put func(*array, *native.Write), mask int64) {
	if len(calls) == 0 {
		return
	}
	var masks []any
	if mask != 0 {
		masks = []any{mask}
	}
	n, err := t.execMany(ctx, query, calls, put, masks...)
	if err == nil && n != len(calls) {
		err = fmt.Errorf("the server changed %d rows instead of %d", n, len(calls))
	}
	if err != nil {
		batch.Fail(calls, err, t.Refused(err))
		return
	}
	for _, c := range calls {
		c.Out.Version = c.In.Version ^ driver.Version(mask)
	}
}

// execMany runs a statement on the rows of all calls, which put adds to its array.
func (t *table) execMany(ctx context.Context, query stmt.ID, calls []*batch.WriteCall, put func(*array, *native.Write), args ...any) (int, error) {
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
		result, err = mysqldb.Once(ctx, t.db, t.sql[query], append([]any{rows}, args...)...)
		return err
	})
	return mysqldb.Affected(result, err)
}
