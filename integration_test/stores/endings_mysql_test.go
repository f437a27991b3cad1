package stores_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A page begins after the rows that ended before it, which stay in the table, and a row that ends
// is found and written by its primary key.
func TestMySQLEndAllReadsNoPageTwice(t *testing.T) {
	const all, page = 5_000, 200
	for name, selects := range map[string]driver.EndAllRequest{
		"everything": {All: true},
		"a user":     {User: "alice"},
		"a label":    {Label: "tenant"},
	} {
		t.Run("mysql "+name, func(t *testing.T) {
			tab := testbed.Backends[testbed.MySQL].ConnectSized(t, "", 1).NewTable(t) // the counts are the connection's
			tab.Fill(t, all)
			tab.Exec(t, "UPDATE $TABLE SET user_id = 'alice', label = 'tenant', expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 DAY", "ANALYZE TABLE $TABLE")
			req := selects
			req.Limit, req.Reason, req.Keep = page, "revoked", time.Hour
			req.Except = []driver.ID{filled(7), filled(all - 3)}
			before, ended, pages := rowsRead(t, tab), 0, 0
			for more := true; more; pages++ {
				result, err := tab.Store.EndAll(t.Context(), req)
				testbed.Check(t, err)
				ended += result.Ended
				req.After, more = result.Last, result.More
			}
			if ended != all-2 || pages > all/page+1 {
				t.Errorf("ended %d in %d pages, want %d", ended, pages, all-2)
			}
			if n := count(t, tab, "expires_at > UTC_TIMESTAMP(6)"); n != 2 {
				t.Errorf("%d rows are live, want the 2 that were excepted", n)
			}
			if read := rowsRead(t, tab) - before; read < 2*all || read > 4*all {
				t.Errorf("read %d rows and index entries to end %d rows", read, all)
			}
		})
	}
}

// rowsRead returns how many rows and index entries the only connection has read.
func rowsRead(t *testing.T, tab *testbed.Table) (n int) {
	t.Helper()
	rows, err := tab.DB.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next', 'Handler_read_rnd_next')")
	testbed.Check(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var count int
		testbed.Check(t, rows.Scan(&name, &count))
		n += count
	}
	testbed.Check(t, rows.Err())
	return n
}

// A login goes from the primary key to the index on users. An ending that came from there would
// deadlock with it.
func TestMySQLEndAllDoesNotDeadlockWithLogins(t *testing.T) {
	eachWayOf(t, testbed.Backends[testbed.MySQL], func(t *testing.T, tab *testbed.Table) {
		const rounds, wave = 15, 60
		ctx := t.Context()
		before := deadlocks(t, tab.Conns)
		var loggedIn, ended atomic.Int64
		for range rounds {
			rows := insertMany(t, tab, wave, "alice")
			var calls []func()
			for i, row := range rows {
				calls = append(calls, func() {
					_, err := tab.Store.Save(ctx, driver.SaveRequest{
						From: row.Ref, Version: row.Version, Verifier: testbed.RandomVerifier(), Grace: time.Minute,
						User: "alice", Label: fmt.Sprint("tenant ", i%2), Data: row.Data, Life: testbed.Day, Authenticated: true,
					})
					if err == nil {
						loggedIn.Add(1)
					} else if !errors.Is(err, driver.ErrNotFound) {
						t.Errorf("login: %v", err)
					}
				})
			}
			for range 4 {
				calls = append(calls, func() {
					req := driver.EndAllRequest{User: "alice", Limit: wave / 4, Reason: "revoked", Keep: time.Hour}
					for more := true; more; {
						result, err := tab.Store.EndAll(ctx, req)
						if err != nil {
							t.Errorf("end all: %v", err)
							return
						}
						ended.Add(int64(result.Ended))
						req.After, more = result.Last, result.More
					}
				})
			}
			atOnce(calls)
		}
		t.Logf("%d logins came before the ending", loggedIn.Load())
		if ended.Load() != rounds*wave || loggedIn.Load() == 0 || loggedIn.Load() == rounds*wave {
			t.Errorf("%d logins, and %d rows ended once, want %d", loggedIn.Load(), ended.Load(), rounds*wave)
		}
		if n := deadlocks(t, tab.Conns) - before; n != 0 {
			t.Errorf("%d deadlocks, which retrying hid", n)
		}
	})
}
