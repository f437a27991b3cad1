package stores_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A row is the same whether it was written alone or with others.
func TestABatchWritesWhatSingleStatementsDo(t *testing.T) {
	testbed.EachEngine(t, func(t *testing.T, b testbed.Backend) { writesTheSame(t, b) })
}

func writesTheSame(t *testing.T, b testbed.Backend) {
	t.Helper()
	const n = 64 // all combinations of six
	ctx := t.Context()
	c := b.ConnectSized(t, "", 1)
	batched := c.NewTable(t)
	single := batched.Another(t)
	single.Store = openOneByOne(t, single)
	tables := []*testbed.Table{single, batched}
	_, err := batched.Store.Stats(ctx) // a store looks at its connections before its first statement
	testbed.Check(t, err)
	written, most := `keep_until - created_at AS keep, expires_at - seen_at AS idle, absolute_expires_at - created_at >= interval '1 day' AS absolute,
		previous_until - verifier_at AS grace`, int64(3)
	if b.Dialect == migrations.MySQL {
		written = `TIMESTAMPDIFF(MICROSECOND, created_at, keep_until) AS keep, TIMESTAMPDIFF(MICROSECOND, seen_at, expires_at) AS idle,
		TIMESTAMPDIFF(DAY, created_at, absolute_expires_at) >= 1 AS absolute, TIMESTAMPDIFF(MICROSECOND, verifier_at, previous_until) AS grace`
		most = 4 // it asks first which rows are free
	}

	is := func(i, bit int) bool { return i>>bit&1 == 1 }
	rows, next, last := make([]driver.Row, n), make([]driver.Verifier, n), make([]driver.Verifier, n)
	for i := range rows {
		rows[i] = testbed.NewRow(`{"n":1}`)
		if next[i], last[i] = rows[i].Verifier, testbed.RandomVerifier(); is(i, 1) {
			next[i] = testbed.RandomVerifier()
		}
	}
	versions := make([][n]driver.Version, len(tables))
	write := func(what string, call func(store driver.Store, i int, version driver.Version) (driver.SaveResult, error)) {
		t.Helper()
		var dumps []string
		for which, tab := range tables {
			var calls []func()
			for i := range rows {
				calls = append(calls, func() {
					result, err := call(tab.Store, i, versions[which][i])
					if err != nil || result.Version == 0 {
						t.Errorf("%s %d: %+v, %v", what, i, result, err)
					}
					versions[which][i] = result.Version
				})
			}
			if tab == batched {
				if statements := together(t, tab, calls...); statements > most {
					t.Errorf("%d rows took %d statements", n, statements)
				}
			} else {
				for _, call := range calls {
					call()
				}
			}
			dumps = append(dumps, tab.DumpOf(t, `(SELECT id, verifier, previous_verifier, user_id, label, pending, data, authenticated_at = seen_at AS authenticated,
				verifier_at = seen_at AS renewed, `+written+` FROM `+tab.Name+` ORDER BY id) AS s`))
		}
		if dumps[0] != dumps[1] {
			t.Errorf("%s: alone\n%s\ntogether\n%s", what, dumps[0], dumps[1])
		}
	}
	write("create", func(store driver.Store, i int, _ driver.Version) (driver.SaveResult, error) {
		req := driver.CreateRequest{Ref: rows[i].Ref, Data: rows[i].Data, Life: testbed.Day, Pending: is(i, 0), Authenticated: is(i, 2)}
		if is(i, 3) {
			req.Keep, req.User = time.Duration(i)*time.Hour, "alice"
		}
		return store.Create(ctx, req)
	})
	saves := func(from, to []driver.Verifier, bit, authenticated int) func(driver.Store, int, driver.Version) (driver.SaveResult, error) {
		return func(store driver.Store, i int, version driver.Version) (driver.SaveResult, error) {
			req := driver.SaveRequest{
				From: driver.Ref{ID: rows[i].ID, Verifier: from[i]}, Version: version, Verifier: to[i], Data: []byte(`{"n":2}`),
				Life: testbed.AnHour, Pending: is(i, bit), Authenticated: is(i, authenticated),
			}
			if is(i, bit+1) {
				req.Grace, req.Label = time.Duration(i)*time.Minute, "tenant"
			}
			return store.Save(ctx, req)
		}
	}
	first := make([]driver.Verifier, n)
	for i := range rows {
		first[i] = rows[i].Verifier
	}
	write("save", saves(first, next, 4, 2))
	write("save the same verifier", saves(next, next, 3, 2))
	write("save nothing but data", saves(next, next, 3, 6))
	loads := func(verifiers []driver.Verifier, previous func(i int) bool) {
		t.Helper()
		for _, tab := range tables {
			var calls []func()
			for i := range rows {
				calls = append(calls, func() {
					got, err := tab.Store.Load(ctx, driver.Ref{ID: rows[i].ID, Verifier: verifiers[i]})
					switch replaced := (*driver.ReplacedError)(nil); {
					case is(i, 3) && errors.Is(err, driver.ErrNotFound) && !errors.As(err, &replaced): // pending
					case !is(i, 3) && previous(i) && err == nil && got.Previous && got.Verifier == next[i]:
					case !is(i, 3) && !previous(i) && verifiers[i] == next[i] && err == nil && !got.Previous:
					case !is(i, 3) && !previous(i) && verifiers[i] != next[i] && errors.As(err, &replaced) && replaced.Ago > 0 && replaced.Ago < time.Minute:
					default:
						t.Errorf("load %06b: %+v, %v", i, got, err)
					}
				})
			}
			if tab == batched {
				together(t, tab, calls...)
			} else {
				for _, call := range calls {
					call()
				}
			}
		}
	}
	loads(next, func(int) bool { return false })
	loads(first, func(i int) bool { return is(i, 1) && is(i, 5) })
	write("save another verifier", saves(next, last, 0, 2))
	for _, tab := range tables {
		if kept := count(t, tab, "previous_verifier IS NOT NULL AND previous_until IS NULL"); kept != 0 {
			t.Errorf("%d rows keep a verifier that opens nothing", kept)
		}
	}
}
