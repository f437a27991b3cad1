package stores_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// counted returns one of the server's counts for the table, when it is not less any more.
func counted(t *testing.T, tab *testbed.Table, least int, query string) (n int) {
	t.Helper()
	testbed.Await(t, "all is counted", func() bool {
		_, err := tab.Pool.Exec(t.Context(), "SELECT pg_stat_force_next_flush()")
		testbed.Check(t, err)
		testbed.Check(t, tab.Pool.QueryRow(t.Context(), query, tab.Name).Scan(&n))
		return n >= least
	})
	return n
}

// Rows that ended stay in the table. A page that read them all again would make the whole take
// quadratic time.
func TestEndAllReadsNoPageTwice(t *testing.T) {
	const all, page = 20_000, 200
	for name, selects := range map[string]driver.EndAllRequest{
		"everything": {All: true},
		"a user":     {User: "alice"},
		"a label":    {Label: "tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testbed.Backends[testbed.PGXPool].ConnectSized(t, "", 1) // whose counts its own queries can see
			tab := c.NewTable(t)
			tab.Exec(t, fmt.Sprintf(`INSERT INTO $TABLE (id, verifier, version, user_id, label, data, created_at, absolute_expires_at, seen_at, expires_at, reap_after)
				SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, 'alice', 'tenant', '{}', now(), now() + interval '9 days', now(), now() + interval '1 day', now() + interval '2 days'
				FROM generate_series(1, %d) AS i`, all), "ANALYZE $TABLE")
			req := selects
			req.Limit, req.Reason, req.Keep = page, "revoked", time.Hour
			req.Except = []driver.ID{filled(7), filled(all - 3)}
			ended, pages := 0, 0
			for more := true; more; pages++ {
				result, err := tab.Store.EndAll(t.Context(), req)
				testbed.Check(t, err)
				ended += result.Ended
				if result.Last <= req.After && result.Ended > 0 {
					t.Fatalf("after %s the last is %s", req.After, result.Last)
				}
				req.After, more = result.Last, result.More
			}
			if ended != all-2 || pages > all/page+1 {
				t.Errorf("ended %d in %d pages, want %d", ended, pages, all-2)
			}
			if n := count(t, tab, "expires_at > now()"); n != 2 {
				t.Errorf("%d rows are live, want the 2 that were excepted", n)
			}
			read := counted(t, tab, all, `SELECT pg_stat_get_tuples_returned($1::text::regclass) +
				(SELECT sum(pg_stat_get_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = $1::text::regclass)`)
			if read < all || read > 5*all {
				t.Errorf("read %d rows and index entries to end %d rows", read, all)
			}
		})
	}
}

// A touch changes no index, nor does the ending of a visitor's row that is kept for longer than it
// could have lived without a request.
func TestTouchesAndEndingsChangeNoIndex(t *testing.T) {
	// With all their versions on one page: other tests may keep the server from pruning it.
	const n = 6
	c := testbed.Backends[testbed.PGXPool].ConnectSized(t, "", 1) // whose counts its own queries can see
	tab := c.NewTable(t)
	updates := func(want int) {
		t.Helper()
		all := counted(t, tab, want, "SELECT pg_stat_get_tuples_updated($1::text::regclass)")
		hot := counted(t, tab, 0, "SELECT pg_stat_get_tuples_hot_updated($1::text::regclass)")
		if all != want || hot != want {
			t.Errorf("%d updates, of which %d changed no index; want %d and all", all, hot, want)
		}
	}
	rows := insertMany(t, tab, n, "")
	for _, row := range rows {
		testbed.Check(t, testbed.Touch(t.Context(), tab.Store, row.Ref, driver.Life{Idle: 2 * time.Hour}))
	}
	updates(n)
	for _, row := range rows {
		testbed.Check(t, tab.Store.End(t.Context(), driver.EndRequest{ID: row.ID, Reason: "logout", Keep: 7 * 24 * time.Hour}))
	}
	updates(2 * n)
}
