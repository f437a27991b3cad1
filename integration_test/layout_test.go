package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
)

// Tables of PostgreSQL that consist of several, in which two rows can have one ctid.

func (tab *table) run(t testing.TB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := tab.db.ExecContext(t.Context(), strings.ReplaceAll(statement, "$TABLE", tab.name))
		check(t, err)
	}
}

// partition puts a table of four partitions in the place of the migrated one.
func (tab *table) partition(t testing.TB) {
	t.Helper()
	all, err := migrations.Steps(migrations.PostgreSQL, "", tab.name)
	check(t, err)
	create, _, ok := strings.Cut(all[0].Up, ") WITH (") // parameters are the partitions'
	if !ok {
		t.Fatalf("the first step is another: %s", all[0].Up)
	}
	tab.run(t, "DROP TABLE $TABLE", create+") PARTITION BY HASH (id)")
	for i := range 4 {
		tab.run(t, fmt.Sprintf("CREATE TABLE $TABLE_%d PARTITION OF $TABLE FOR VALUES WITH (MODULUS 4, REMAINDER %[1]d)", i))
	}
	for _, step := range all[1:] {
		tab.run(t, step.Up)
	}
}

// inherit gives the table a child.
func (tab *table) inherit(t testing.TB) {
	t.Helper()
	tab.run(t, "CREATE TABLE $TABLE_child (PRIMARY KEY (id)) INHERITS ($TABLE)", "CREATE INDEX ON $TABLE_child (reap_after)")
	t.Cleanup(func() { _, _ = tab.db.ExecContext(context.Background(), "DROP TABLE "+tab.name+"_child") })
}

// mix inserts as many dead rows as live ones, one after the other. The reaper is to look at
// every other live row, too.
func (tab *table) mix(t testing.TB, into string, from, to, dead int) {
	t.Helper()
	tab.run(t, fmt.Sprintf(`INSERT INTO %s (id, verifier, version, data, created_at, absolute_expires_at, expires_at, reap_after)
		SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, '{}', now() - interval '9 days', now() + interval '9 days',
			now() + CASE i %% 2 WHEN %d THEN -2 ELSE 2 END * interval '1 day', now() + CASE i %% 4 WHEN %d THEN 4 ELSE -2 END * interval '1 hour'
		FROM generate_series(%d, %d) AS i`, into, dead, 3-dead, from, to))
}

// A ctid names a row in one partition only, so a reaper must not go by it.
func TestReaperOfSeveralTables(t *testing.T) {
	layouts := map[string]func(t *testing.T, tab *table){
		"partitions": func(t *testing.T, tab *table) {
			tab.partition(t)
			tab.mix(t, "$TABLE", 1, 2000, 0)
		},
		"a child": func(t *testing.T, tab *table) {
			tab.inherit(t)
			tab.mix(t, "$TABLE", 1, 1000, 0)
			tab.mix(t, "$TABLE_child", 1001, 2000, 1) // dead where the parent has live rows
		},
	}
	eachPostgres(t, func(t *testing.T, b backend) {
		for name, fill := range layouts {
			for _, batch := range []int{50, 10_000} {
				t.Run(fmt.Sprint(name, " in batches of ", batch), func(t *testing.T) {
					tab := b.newTable(t)
					fill(t, tab)
					reaper := &sessions.Reaper{Store: tab.store, BatchSize: batch, NoRest: true}
					if n, err := reaper.Sweep(t.Context()); n != 1000 || err != nil {
						t.Errorf("deleted %d of 1000 dead rows, %v", n, err)
					}
					if live, dead, err := count(t.Context(), tab.store); live != 1000 || dead != 0 || tab.rows(t) != 1000 || err != nil {
						t.Errorf("%d of 1000 live rows are left, and %d dead ones, of %d in all, %v", live, dead, tab.rows(t), err)
					}
					tab.run(t, "DO $$BEGIN ASSERT (SELECT count(*) FROM $TABLE WHERE reap_after < now()) = 0; END$$") // or it looks at the same rows again and again
				})
			}
		}
	})
}

// A place has a row in each partition. One whose time has not come must not be taken for the one
// that a search found there, or the batch counts as done.
func TestReaperPassesOverOtherPartitions(t *testing.T) {
	const each = 50
	insert := `INSERT INTO %s (id, verifier, version, data, created_at, absolute_expires_at, expires_at, reap_after)
		SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, '{}', now(), now() + interval '9 days', now() + interval '%s', now() + interval '%s'
		FROM generate_series(%d, %d) AS i`
	for name, expiry := range map[string]string{"alive": "1 day", "dead": "-1 day"} {
		t.Run(name, func(t *testing.T) {
			eachPostgres(t, func(t *testing.T, b backend) {
				tab := b.newTable(t)
				tab.inherit(t)
				tab.run(t,
					fmt.Sprintf(insert, "$TABLE", expiry, "1 hour", 1, each),                // not marked
					fmt.Sprintf(insert, "$TABLE_child", expiry, "-1 hour", 1001, 1000+each), // marked
				)
				if _, err := (&sessions.Reaper{Store: tab.store, BatchSize: each, NoRest: true}).Sweep(t.Context()); err != nil {
					t.Error(err)
				}
				tab.run(t, "DO $$BEGIN ASSERT (SELECT count(*) FROM $TABLE WHERE reap_after < now()) = 0; END$$",
					fmt.Sprintf("DO $$BEGIN ASSERT (SELECT count(*) FROM ONLY $TABLE) = %d; END$$", each))
			})
		})
	}
}

func TestPartitionedTable(t *testing.T) {
	eachPostgres(t, func(t *testing.T, b backend) {
		if b.name == "pgxpool" { // the statements of all three are the same
			t.Run("suite", func(t *testing.T) { runSuite(t, b.connect(t), (*table).partition) })
		}
		tab := b.newTable(t)
		tab.partition(t)
		testDay(t, newApp(t, tab))
	})
}

// testDay is what happens to sessions in a day, in short.
func testDay(t *testing.T, a *app) {
	t.Helper()
	users := make([]*browser, 8)
	parallel(len(users), func(i int) {
		users[i] = a.browser(t)
		users[i].ok(fmt.Sprint("/login?u=user", i/2))
		users[i].ok(fmt.Sprint("/set?v=value", i))
		users[i].ok("/regenerate")
		users[i].ok("/count")
	})
	a.age(t, 23*time.Hour)
	for i, user := range users {
		if who, what, n := user.ok("/user"), user.ok("/read"), user.ok("/count"); who != fmt.Sprint("user", i/2) || what != fmt.Sprint("value", i) || n != "2" {
			t.Errorf("user %d is %q with %q and counts %s", i, who, what, n)
		}
	}
	a.age(t, 2*time.Hour) // longer than the idle timeout since they were made
	for _, user := range users[6:] {
		user.ok("/read")
	}
	if got := users[0].ok("/everywhere"); got != "1 <nil>" {
		t.Errorf("logged out everywhere else: %s", got)
	}
	old := users[2].clone(a)
	users[2].ok("/logout")
	for what, user := range map[string]*browser{"logged out elsewhere": users[1], "logged out": users[2], "the cookie from before": old} {
		if got := user.ok("/user"); got != "" {
			t.Errorf("%s: the user is %q", what, got)
		}
	}
	a.age(t, 30*time.Hour)
	users[0].ok("/login?u=user9")
	if n, err := (&sessions.Reaper{Store: a.store}).Sweep(t.Context()); n != 6 || err != nil {
		t.Errorf("deleted %d rows, %v; want 6", n, err)
	}
	if got := users[0].ok("/user"); got != "user9" || a.rows(t) != 1 {
		t.Errorf("the user is %q, and there are %d rows", got, a.rows(t))
	}
}
