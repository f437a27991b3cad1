package bill_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// data is what a session of some 200 bytes holds.
var data = `{"cart":"` + strings.Repeat("x", 190) + `"}`

// scale divides the numbers of rows, unless SESSIONS_TEST_BILL is set.
func scale(n int) int {
	if os.Getenv("SESSIONS_TEST_BILL") == "" {
		return n / 100
	}
	return n
}

// TestBill logs what endings cost. With SESSIONS_TEST_BILL=1 it takes the numbers of rows that
// docs/performance.md has, and is best run alone.
func TestBill(t *testing.T) {
	testbed.EachEngine(t, func(t *testing.T, b testbed.Backend) {
		t.Run("journal", func(t *testing.T) { journalOfEach(t, b.NewTable(t)) })
		t.Run("hour", func(t *testing.T) { anHourOfLogouts(t, b.NewTable(t)) })
		t.Run("list", func(t *testing.T) { oneWhoLogsOutOften(t, b.NewTable(t)) })
		t.Run("all", func(t *testing.T) { everyone(t, b) })
	})
}

// everyone measures what it takes to end all sessions.
func everyone(t *testing.T, b testbed.Backend) {
	for _, n := range []int{200_000, 400_000} {
		tab := b.NewTable(t)
		fill(t, tab, 0, scale(n), "CAST(i AS CHAR(20))")
		took := endAll(t, tab, driver.EndAllRequest{All: true}, scale(n))
		t.Logf("RevokeAll of %d sessions: %v", scale(n), took.Round(time.Millisecond))
	}
}

// fill inserts live rows in one statement.
func fill(t *testing.T, tab *testbed.Table, from, n int, user string) {
	t.Helper()
	rows := map[migrations.Dialect]string{
		migrations.PostgreSQL: `SELECT lpad(to_hex(i + $FROM), 32, '0')::uuid, sha256(i::text::bytea), 1, '$DATA', now(),
			now() + interval '30 days', now(), now() + interval '1 day', date_trunc('hour', now()) + interval '25 hours', $USER
			FROM generate_series(1, $N) AS i`,
		migrations.MySQL: `WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 999),
			e AS (SELECT a.i * 1000 + b.i + 1 AS i FROM d AS a JOIN d AS b)
			SELECT UNHEX(LPAD(HEX(i + $FROM), 32, '0')), UNHEX(SHA2(i, 256)), 1, '$DATA', UTC_TIMESTAMP(6),
			UTC_TIMESTAMP(6) + INTERVAL 30 DAY, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 1 DAY, UTC_TIMESTAMP + INTERVAL 25 HOUR, $USER
			FROM e WHERE i <= $N`,
	}[tab.Dialect]
	rows = strings.NewReplacer("$FROM", fmt.Sprint(from), "$N", fmt.Sprint(n), "$DATA", data, "$USER", user).Replace(rows)
	tab.Exec(t, "INSERT INTO $TABLE (id, verifier, version, data, created_at, absolute_expires_at, seen_at, expires_at, reap_after, user_id) "+rows)
}

// endAll ends what req selects, page by page as a manager does.
func endAll(t *testing.T, tab *testbed.Table, req driver.EndAllRequest, want int) time.Duration {
	t.Helper()
	req.Limit, req.Reason, req.Keep = 500, "revoked user", 7*24*time.Hour
	begun, total := time.Now(), 0
	for {
		result, err := tab.Store.EndAll(t.Context(), req)
		testbed.Check(t, err)
		total += result.Ended
		if !result.More {
			break
		}
		req.After = result.Last
	}
	if total != want {
		t.Errorf("%d ended, want %d", total, want)
	}
	return time.Since(begun)
}

// journal returns how many bytes the server has written to its journal so far.
func journal(t *testing.T, tab *testbed.Table) (n int64) {
	t.Helper()
	query := "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
	if tab.Dialect == migrations.MySQL {
		query = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Innodb_lsn_current'"
	}
	testbed.Check(t, tab.DB.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// size returns the bytes of the table and of its indexes other than the primary key.
func size(t *testing.T, tab *testbed.Table) string {
	t.Helper()
	query := "SELECT pg_table_size('" + tab.Name + "'), pg_indexes_size('" + tab.Name + "')"
	if tab.Dialect == migrations.MySQL {
		tab.Exec(t, "ANALYZE TABLE $TABLE")
		query = "SELECT data_length, index_length FROM information_schema.tables WHERE table_name = '" + tab.Name + "'"
	}
	var rows, indexes int64
	testbed.Check(t, tab.DB.QueryRowContext(t.Context(), query).Scan(&rows, &indexes))
	return fmt.Sprintf("table %.1f MB, indexes %.1f MB", float64(rows)/1e6, float64(indexes)/1e6)
}

// journalOfEach measures each step of a session's life, one session after the other.
func journalOfEach(t *testing.T, tab *testbed.Table) {
	n := max(scale(50_000)/50, 100)
	step := func(what string, do func(i int)) {
		before := journal(t, tab)
		for i := range n {
			do(i)
		}
		t.Logf("journal of %s: %d bytes", what, (journal(t, tab)-before)/int64(n))
	}
	users, visitors, gone := make([]driver.Row, n), make([]driver.Row, n), make([]driver.Row, n)
	create := func(to []driver.Row, user string) func(i int) {
		return func(i int) {
			to[i] = testbed.NewRow(data)
			if user != "" {
				to[i].User = fmt.Sprint(user, i)
			}
			to[i] = testbed.Insert(t, tab.Store, to[i])
		}
	}
	end := func(of []driver.Row) func(i int) {
		return func(i int) {
			testbed.Check(t, tab.Store.End(t.Context(), driver.EndRequest{ID: of[i].ID, Reason: "logout", Keep: 7 * 24 * time.Hour}))
		}
	}
	step("a new visitor", create(visitors, ""))
	step("a sign-in without a session", create(users, "ann"))
	step("a logout of a user", end(users))
	step("an ending of a visitor", end(visitors))
	step("a new visitor, again", create(visitors, ""))
	step("a sign-in of a visitor", func(i int) {
		visitors[i].User = fmt.Sprint("bob", i)
		_, err := testbed.Renew(t.Context(), tab.Store, visitors[i], testbed.RandomVerifier(), testbed.Day)
		testbed.Check(t, err)
	})
	step("a sign-in without a session, again", create(gone, "eve"))
	step("a sign-in without a session, under a limit", func(i int) { // which stores it pending first
		row := testbed.NewRow(data)
		created, err := tab.Store.Create(t.Context(), driver.CreateRequest{
			Ref: row.Ref, User: fmt.Sprint("kim", i), Data: row.Data, Life: testbed.Day, Authenticated: true, Pending: true,
		})
		testbed.Check(t, err)
		row.User, row.Version = fmt.Sprint("kim", i), created.Version
		_, err = testbed.Save(t.Context(), tab.Store, row, testbed.AnHour)
		testbed.Check(t, err)
	})
	step("a row that is deleted instead", func(i int) {
		tab.Exec(t, "DELETE FROM $TABLE WHERE id = "+tab.Literal(gone[i].ID))
	})
}

// anHourOfLogouts measures what 100 logouts a second leave in an hour, and what a reaper takes
// to remove them.
func anHourOfLogouts(t *testing.T, tab *testbed.Table) {
	const chunk = 1000
	n := scale(360_000)
	begun := time.Now()
	for from := 0; from < n; from += chunk {
		fill(t, tab, from, min(chunk, n-from), "CAST(i AS CHAR(20))")
		endAll(t, tab, driver.EndAllRequest{All: true}, min(chunk, n-from))
	}
	t.Logf("%d logouts (in %v): %s", n, time.Since(begun).Round(time.Millisecond), size(t, tab))
	if deleted, err := testbed.Reap(t.Context(), tab.Store, 1000); deleted != 0 || err != nil {
		t.Errorf("reaped %d, %v", deleted, err)
	}
	past := map[migrations.Dialect]string{
		migrations.PostgreSQL: "now() - interval '3 hours'", migrations.MySQL: "UTC_TIMESTAMP - INTERVAL 3 HOUR",
	}[tab.Dialect]
	tab.Exec(t, "UPDATE $TABLE SET keep_until = "+past+", reap_after = "+past)
	begun = time.Now()
	total := 0
	for {
		result, err := tab.Store.Reap(t.Context(), driver.ReapRequest{Limit: 1000})
		testbed.Check(t, err)
		total += result.Deleted
		if result.Deleted == 0 {
			break
		}
	}
	if total != n {
		t.Errorf("reaped %d of %d", total, n)
	}
	t.Logf("a reaper removed them in %v", time.Since(begun).Round(time.Millisecond))
}

// oneWhoLogsOutOften measures how long it takes to list a user with many ended sessions.
func oneWhoLogsOutOften(t *testing.T, tab *testbed.Table) {
	n := scale(100_000)
	list := func(user string) time.Duration {
		var times []time.Duration
		for range 51 {
			begun := time.Now()
			rows, err := tab.Store.List(t.Context(), driver.ListRequest{User: user, Newest: true, Limit: 25})
			times = append(times, time.Since(begun))
			if len(rows) != 3 || err != nil {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
		}
		slices.Sort(times)
		return times[25]
	}
	fill(t, tab, 0, n, "'ann'")
	took := endAll(t, tab, driver.EndAllRequest{User: "ann"}, n)
	t.Logf("RevokeUser of %d sessions: %v", n, took.Round(time.Millisecond))
	fill(t, tab, n, 3, "'ann'")
	fill(t, tab, n+3, 3, "'bob'")
	t.Logf("listing a user with %d ended sessions: %v; with none: %v", n, list("ann"), list("bob"))
	if tab.Dialect == migrations.PostgreSQL {
		tab.Exec(t, "VACUUM $TABLE")
		t.Logf("after a vacuum: %v", list("ann"))
	}
}
