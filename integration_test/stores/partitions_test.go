package stores_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// Some PostgreSQL tables consist of several, in which two rows can have the same ctid.

// mix inserts as many dead rows as live ones, one after the other. The reaper is to look at
// every other live row, too.
func mix(t testing.TB, tab *testbed.Table, into string, from, to, dead int) {
	t.Helper()
	tab.Exec(t, fmt.Sprintf(`INSERT INTO %s (id, verifier, version, data, created_at, absolute_expires_at, seen_at, expires_at, reap_after)
		SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, '{}', now() - interval '9 days', now() + interval '9 days', now() - interval '9 days',
			now() + CASE i %% 2 WHEN %d THEN -2 ELSE 2 END * interval '1 day', now() + CASE i %% 4 WHEN %d THEN 4 ELSE -2 END * interval '1 hour'
		FROM generate_series(%d, %d) AS i`, into, dead, 3-dead, from, to))
}

// A ctid names a row in one partition only, so a reaper must not go by it.
func TestReaperOfSeveralTables(t *testing.T) {
	layouts := map[string]func(t *testing.T, tab *testbed.Table){
		"partitions": func(t *testing.T, tab *testbed.Table) {
			tab.Partition(t)
			mix(t, tab, "$TABLE", 1, 2000, 0)
		},
		"a child": func(t *testing.T, tab *testbed.Table) {
			tab.Inherit(t)
			mix(t, tab, "$TABLE", 1, 1000, 0)
			mix(t, tab, "$TABLE_child", 1001, 2000, 1) // dead where the parent has live rows
		},
	}
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		for name, fill := range layouts {
			for _, batch := range []int{50, 10_000} {
				t.Run(fmt.Sprint(name, " in batches of ", batch), func(t *testing.T) {
					tab := b.NewTable(t)
					fill(t, tab)
					reaper := &sessions.Reaper{Store: tab.Store, BatchSize: batch, NoRest: true}
					if n, err := reaper.Sweep(t.Context()); n != 1000 || err != nil {
						t.Errorf("deleted %d of 1000 dead rows, %v", n, err)
					}
					if live, dead, err := testbed.Count(t.Context(), tab.Store); live != 1000 || dead != 0 || tab.Rows(t) != 1000 || err != nil {
						t.Errorf("%d of 1000 live rows are left, and %d dead ones, of %d in all, %v", live, dead, tab.Rows(t), err)
					}
					tab.Exec(t, "DO $$BEGIN ASSERT (SELECT count(*) FROM $TABLE WHERE reap_after < now()) = 0; END$$") // or it looks at the same rows again and again
				})
			}
		}
	})
}

// A place has a row in each partition. One whose time has not come must not be taken for the one
// that a search found there, or the batch counts as done.
func TestReaperPassesOverOtherPartitions(t *testing.T) {
	const each = 50
	insert := `INSERT INTO %s (id, verifier, version, data, created_at, absolute_expires_at, seen_at, expires_at, reap_after)
		SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, '{}', now(), now() + interval '9 days', now(), now() + interval '%s', now() + interval '%s'
		FROM generate_series(%d, %d) AS i`
	for name, expiry := range map[string]string{"alive": "1 day", "dead": "-1 day"} {
		t.Run(name, func(t *testing.T) {
			testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
				tab := b.NewTable(t)
				tab.Inherit(t)
				tab.Exec(t,
					fmt.Sprintf(insert, "$TABLE", expiry, "1 hour", 1, each),                // not marked
					fmt.Sprintf(insert, "$TABLE_child", expiry, "-1 hour", 1001, 1000+each), // marked
				)
				if _, err := (&sessions.Reaper{Store: tab.Store, BatchSize: each, NoRest: true}).Sweep(t.Context()); err != nil {
					t.Error(err)
				}
				tab.Exec(t, "DO $$BEGIN ASSERT (SELECT count(*) FROM $TABLE WHERE reap_after < now()) = 0; END$$",
					fmt.Sprintf("DO $$BEGIN ASSERT (SELECT count(*) FROM ONLY $TABLE) = %d; END$$", each))
			})
		})
	}
}

func TestPartitionedTable(t *testing.T) {
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		if b.Name == "pgxpool" { // the statements of all three are the same
			t.Run("suite", func(t *testing.T) { testbed.RunSuite(t, b.Connect(t), (*testbed.Table).Partition) })
		}
		tab := b.NewTable(t)
		tab.Partition(t)
		testDay(t, testbed.NewApp(t, tab))
	})
}

// testDay is what happens to sessions in a day, in short.
func testDay(t *testing.T, a *testbed.App) {
	t.Helper()
	users := make([]*testbed.Browser, 8)
	testbed.Parallel(len(users), func(i int) {
		users[i] = a.Browser(t)
		users[i].OK(fmt.Sprint("/login?u=user", i/2))
		users[i].OK(fmt.Sprint("/set?v=value", i))
		users[i].OK("/regenerate")
		users[i].OK("/count")
	})
	a.Age(t, 23*time.Hour)
	for i, user := range users {
		if who, what, n := user.OK("/user"), user.OK("/read"), user.OK("/count"); who != fmt.Sprint("user", i/2) || what != fmt.Sprint("value", i) || n != "2" {
			t.Errorf("user %d is %q with %q and counts %s", i, who, what, n)
		}
	}
	a.Age(t, 2*time.Hour) // longer than the idle timeout since they were made
	for _, user := range users[6:] {
		user.OK("/read")
	}
	if got := users[0].OK("/everywhere"); got != "1 <nil>" {
		t.Errorf("logged out everywhere else: %s", got)
	}
	old := users[2].Clone(a)
	users[2].OK("/logout")
	for what, user := range map[string]*testbed.Browser{"logged out elsewhere": users[1], "logged out": users[2], "the cookie from before": old} {
		if got := user.OK("/user"); got != "" {
			t.Errorf("%s: the user is %q", what, got)
		}
	}
	a.Age(t, 30*time.Hour)
	users[0].OK("/login?u=user9")
	if n, err := (&sessions.Reaper{Store: a.Store}).Sweep(t.Context()); n != 7 || err != nil {
		t.Errorf("deleted %d rows, %v; want the 6 that expired and the mark", n, err)
	}
	if got := users[0].OK("/user"); got != "user9" || a.Rows(t) != 3 { // with the two that ended and are kept
		t.Errorf("the user is %q, and there are %d rows", got, a.Rows(t))
	}
}
