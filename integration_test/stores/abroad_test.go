package stores_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// eachAbroad runs a test on foreign tables of postgres_fdw, and on partitions that are some.
func eachAbroad(t *testing.T, test func(t *testing.T, c *testbed.Conns, change func(*testbed.Table, testing.TB))) {
	t.Helper()
	if testbed.PostgresPooler.Name != "" {
		return // it is about tables alone
	}
	testbed.EachPostgres(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		a := c.NewAbroad(t)
		t.Run("table", func(t *testing.T) { test(t, c, a.Table) })
		t.Run("partitions", func(t *testing.T) { test(t, c, a.Partitions) })
	})
}

func TestForeignTable(t *testing.T) {
	eachAbroad(t, func(t *testing.T, c *testbed.Conns, change func(*testbed.Table, testing.TB)) {
		if c.Name == "pgxpool" { // the statements of all three are the same
			t.Run("suite", func(t *testing.T) { testbed.RunSuiteInMode(t, c, change) })
		}
		tab := c.NewTable(t)
		change(tab, t)
		testDay(t, testbed.NewApp(t, tab))
	})
}

// A reaper deletes what is dead and nothing else, wherever the rows are.
func TestReaperAbroad(t *testing.T) {
	eachAbroad(t, func(t *testing.T, c *testbed.Conns, change func(*testbed.Table, testing.TB)) {
		for _, batch := range []int{50, 10_000} {
			tab := c.NewTable(t)
			change(tab, t)
			mix(t, tab, "$TABLE", 1, 1000, 0)
			reaper := &sessions.Reaper{Store: tab.Store, BatchSize: batch, NoRest: true}
			if n, err := reaper.Sweep(t.Context()); n != 500 || err != nil {
				t.Errorf("batches of %d: deleted %d of 500 dead rows, %v", batch, n, err)
			}
			if live, dead, err := testbed.Count(t.Context(), tab.Store); live != 500 || dead != 0 || tab.Rows(t) != 500 || err != nil {
				t.Errorf("batches of %d: %d of 500 live rows are left, and %d dead ones, of %d in all, %v", batch, live, dead, tab.Rows(t), err)
			}
		}
	})
}

// A session is found after each new secret, and nothing outlives a revocation. Statements that
// carry many rows do the same.
func TestSecretsAndRevocationsAbroad(t *testing.T) {
	eachAbroad(t, func(t *testing.T, c *testbed.Conns, change func(*testbed.Table, testing.TB)) {
		ctx, tab := t.Context(), c.NewTable(t)
		change(tab, t)
		rows := make([]driver.Row, 40)
		all := func(what string, call func(i int) error) {
			t.Helper()
			testbed.Parallel(len(rows), func(i int) {
				if err := call(i); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		all("create", func(i int) (err error) {
			rows[i] = testbed.NewRow(`{"n":1}`)
			rows[i].User = fmt.Sprint("user", i%2)
			rows[i].Version, err = testbed.Create(ctx, tab.Store, rows[i], testbed.Day)
			return err
		})
		for range 3 {
			all("renew", func(i int) (err error) {
				verifier := testbed.RandomVerifier()
				rows[i].Version, err = testbed.Renew(ctx, tab.Store, rows[i], verifier, testbed.AnHour)
				rows[i].Verifier = verifier
				return err
			})
			all("load", func(i int) error { _, err := tab.Store.Load(ctx, rows[i].Ref); return err })
			all("touch", func(i int) error { return testbed.Touch(ctx, tab.Store, rows[i].Ref, driver.Life{Idle: 2 * time.Hour}) })
		}
		revoke := func(req driver.EndAllRequest, want int) {
			t.Helper()
			req.Limit, req.Reason, req.Keep = 7, "revoked", time.Hour
			req.Mark = driver.Mark{Number: 1, Keep: time.Hour}
			ended := 0
			for more := true; more; {
				result, err := tab.Store.EndAll(ctx, req)
				testbed.Check(t, err)
				ended, req.After, more = ended+result.Ended, result.Last, result.More
			}
			if ended != want {
				t.Errorf("ended %d, want %d", ended, want)
			}
		}
		for _, times := range []int{1, 2} { // the second finds the mark of the first
			revoke(driver.EndAllRequest{User: "user1"}, 20*(2-times))
			marks, err := tab.Store.Marks(ctx, driver.MarksRequest{User: "user1", ID: rows[0].ID})
			if len(marks) != times || err != nil {
				t.Errorf("%d marks, %v; want %d", len(marks), err, times)
			}
		}
		revoke(driver.EndAllRequest{All: true}, 20)
		for i := range rows {
			if _, err := tab.Store.Load(ctx, rows[i].Ref); !errors.Is(err, driver.ErrNotFound) {
				t.Errorf("a session outlived a revocation: %v", err)
			}
		}
	})
}

// Marks that are set at the same time are all kept.
func TestMarksAbroad(t *testing.T) {
	eachAbroad(t, func(t *testing.T, c *testbed.Conns, change func(*testbed.Table, testing.TB)) {
		tab := c.NewTable(t)
		change(tab, t)
		const marks = 12
		testbed.Parallel(marks, func(i int) {
			_, err := tab.Store.EndAll(t.Context(), driver.EndAllRequest{
				User: "alice", Limit: 1, Mark: driver.Mark{Number: int64(i + 1), Keep: time.Hour},
			})
			if err != nil {
				t.Error(err)
			}
		})
		set, err := tab.Store.Marks(context.WithoutCancel(t.Context()), driver.MarksRequest{User: "alice"})
		testbed.Check(t, err)
		seen := map[int64]bool{}
		for _, m := range set {
			seen[m.Number] = true
		}
		if len(seen) != marks {
			t.Errorf("%d of %d marks are left: %v", len(seen), marks, set)
		}
	})
}
