package stores_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// What rewrites a table of PostgreSQL, and puts other rows in the places that a reaper has on
// its list: where a dead one was, there is a live one.
var rewrites = map[string][]string{
	"CLUSTER":     {"CREATE INDEX $TABLE_backwards ON $TABLE (id DESC)", "CLUSTER $TABLE USING $TABLE_backwards", "DROP INDEX $TABLE_backwards"},
	"VACUUM FULL": {"VACUUM FULL $TABLE"},
	"ALTER TABLE": {"ALTER TABLE $TABLE ALTER COLUMN extra TYPE bytea USING extra::bytea", "ALTER TABLE $TABLE ALTER COLUMN extra TYPE text USING extra::text"},
	"a swap, as pg_repack does it": {`BEGIN;
		LOCK TABLE $TABLE;
		CREATE TABLE $TABLE_new (LIKE $TABLE INCLUDING ALL);
		INSERT INTO $TABLE_new SELECT * FROM $TABLE ORDER BY id DESC;
		ALTER TABLE $TABLE RENAME TO $TABLE_old;
		ALTER TABLE $TABLE_new RENAME TO $TABLE;
		DROP TABLE $TABLE_old;
		COMMIT`},
}

func TestReaperOfARewrittenTable(t *testing.T) {
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		for _, name := range slices.Sorted(maps.Keys(rewrites)) {
			t.Run(name, func(t *testing.T) {
				tab := b.NewTable(t)
				mix(t, tab, "$TABLE", 1, 2000, 0)
				reaper := &sessions.Reaper{Store: tab.Store, BatchSize: 50, NoRest: true}
				first, err := tab.Store.Reap(t.Context(), driver.ReapRequest{Limit: 50}) // which makes the list
				testbed.Check(t, err)
				tab.Exec(t, rewrites[name]...)
				rest, err := reaper.Sweep(t.Context())
				testbed.Check(t, err)
				last, err := reaper.Sweep(t.Context()) // of those that the list did not name
				live, dead, countErr := testbed.Count(t.Context(), tab.Store)
				if live != 1000 || dead != 0 || first.Deleted+rest+last != 1000 || err != nil || countErr != nil {
					t.Errorf("deleted %d, %d and %d, %v; %d of 1000 live rows are left, and %d dead ones, %v", first.Deleted, rest, last, err, live, dead, countErr)
				}
			})
		}
	})
}

// Requests and reapers go on while that happens: no user is logged out.
func TestRequestsOfARewrittenTable(t *testing.T) {
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		for _, name := range slices.Sorted(maps.Keys(rewrites)) {
			t.Run(name, func(t *testing.T) {
				tab := b.NewTable(t)
				mix(t, tab, "$TABLE", 1, 2000, 0)
				rows := make([]driver.Row, 8)
				for i := range rows {
					rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
				}
				ctx, over := context.WithCancel(t.Context())
				testbed.Parallel(len(rows)+2, func(i int) {
					switch {
					case i == len(rows):
						defer over()
						for range 3 {
							tab.Exec(t, rewrites[name]...)
						}
						return
					case i > len(rows):
						reaper := &sessions.Reaper{Store: tab.Store, BatchSize: 50, NoRest: true}
						for ctx.Err() == nil {
							if _, err := reaper.Sweep(t.Context()); err != nil {
								t.Errorf("sweep: %v", err)
							}
						}
						return
					}
					for n := 0; ctx.Err() == nil; n++ {
						rows[i].Data = fmt.Appendf(nil, `{"n":%d}`, n)
						version, err := testbed.Save(t.Context(), tab.Store, rows[i], testbed.AnHour)
						if err != nil {
							t.Errorf("save: %v", err)
							return
						}
						rows[i].Version = version
						if got, err := tab.Store.Load(t.Context(), rows[i].Ref); err != nil || string(got.Data) != string(rows[i].Data) {
							t.Errorf("load: %s, %v; want %s", got.Data, err, rows[i].Data)
							return
						}
					}
				})
				if live, _, err := testbed.Count(t.Context(), tab.Store); live != 1000+len(rows) || err != nil {
					t.Errorf("%d live rows are left of %d, %v", live, 1000+len(rows), err)
				}
			})
		}
	})
}

// What is prepared on a connection may not fit the table any more ("cached plan must not change
// result type"). That costs no request its answer, however many connections there are.
func TestStatementsOfAnAlteredTable(t *testing.T) {
	if testbed.PostgresPooler.LeavesOut(t, "all") {
		return
	}
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		ctx, tab := t.Context(), b.NewTable(t)
		row := testbed.NewRow(`{"n":1}`)
		row.User = "alice"
		row = testbed.Insert(t, tab.Store, row)
		calls := func() {
			t.Helper()
			if got, err := tab.Store.Load(ctx, row.Ref); err != nil || got.User != "alice" {
				t.Errorf("load: %q, %v", got.User, err)
			}
			if found, err := tab.Store.List(ctx, driver.ListRequest{User: "alice", Limit: 2}); err != nil || len(found) != 1 {
				t.Errorf("list: %d, %v", len(found), err)
			}
			if err := testbed.Touch(ctx, tab.Store, row.Ref, testbed.AnHour); err != nil {
				t.Errorf("touch: %v", err)
			}
		}
		for _, collation := range []string{"default", "C"} {
			testbed.Parallel(20, func(int) { calls() })
			tab.Exec(t, `ALTER TABLE $TABLE ALTER COLUMN user_id TYPE text COLLATE "`+collation+`"`)
			calls()
			version, err := testbed.Save(ctx, tab.Store, row, testbed.AnHour)
			if row.Version = version; err != nil {
				t.Errorf("save: %v", err)
			}
			testbed.Parallel(20, func(int) { calls() })
		}
	})
}
