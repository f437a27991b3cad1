package stores_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// together makes the calls while the pool's only connection is taken, so that they queue and
// then go as one batch. It returns the number of statements.
func together(t *testing.T, tab *testbed.Table, calls ...func()) int64 {
	t.Helper()
	return togetherAfter(t, tab, func() {}, calls...)
}

// togetherAfter is together, and calls happens while all calls wait.
func togetherAfter(t *testing.T, tab *testbed.Table, happens func(), calls ...func()) int64 {
	t.Helper()
	release := tab.TakeConnection(t)
	var wait sync.WaitGroup
	waiting, _ := callsWaiting()
	for i, call := range append([]func(){func() { // goes alone, when there is a connection again
		_, _ = tab.Store.Load(context.Background(), testbed.NewRow("").Ref)
	}}, calls...) {
		wait.Go(call)
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			if n, taking := callsWaiting(); n > waiting+i && !taking {
				break
			}
			if time.Now().After(deadline) {
				release()
				t.Fatalf("call %d does not wait", i)
			}
		}
	}
	happens()
	before := tab.Statements.Load()
	release()
	wait.Wait()
	return tab.Statements.Load() - before - 1
}

// callsWaiting counts the goroutines that wait in a call to a store, for other calls or for a
// connection. taking reports whether a sender is about to take a batch: until it waits for a
// connection itself, it may still take more calls along.
func callsWaiting() (n int, taking bool) {
	for stack := range strings.SplitSeq(testbed.Stacks(), "\n\n") {
		head, frames, _ := strings.Cut(stack, "\n")
		frames, _, _ = strings.Cut(frames, "\ncreated by ") // a sender was started by a call, but is none
		if !strings.Contains(frames, "internal/coalesce.(*Group") {
			continue
		}
		waits := strings.Contains(head, "[select")
		switch calls := strings.Contains(frames, ").Do("); {
		case calls && waits:
			n++
		case !calls && !waits:
			taking = true
		}
	}
	return n, taking
}

// eachBatching runs a test on a pool of one connection of every backend that batches.
func eachBatching(t *testing.T, test func(t *testing.T, tab *testbed.Table)) {
	t.Helper()
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) { test(t, b.ConnectSized(t, "", 1).NewTable(t)) })
}

func TestManyCallsAreOneStatement(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n = 40
		ctx := t.Context()
		rows := make([]driver.Row, n)
		each := func(f func(i int)) (calls []func()) {
			for i := range rows {
				calls = append(calls, func() { f(i) })
			}
			return calls
		}
		want := func(what string, statements, most int64) {
			t.Helper()
			if statements < 1 || statements > most {
				t.Errorf("%d %s took %d statements, want at most %d", n, what, statements, most)
			}
		}
		for i := range rows {
			rows[i] = testbed.NewRow(fmt.Sprintf(`{"i":%d,"s":"\"\\ {},é😀"}`, i))
			if i%2 == 0 {
				rows[i].User = fmt.Sprintf(`u"\,{%d}`, i)
			}
		}
		want("creates", together(t, tab, each(func(i int) {
			var err error
			if rows[i].Version, err = testbed.Create(ctx, tab.Store, rows[i], testbed.Day); err != nil || rows[i].Version == 0 {
				t.Errorf("create %d: version %d, %v", i, rows[i].Version, err)
			}
		})...), 4) // with what is asked and prepared once
		load := func(i int) {
			r, err := tab.Store.Load(ctx, rows[i].Ref)
			if err != nil || r.Ref != rows[i].Ref || r.Version != rows[i].Version || r.User != rows[i].User ||
				string(r.Data) != string(rows[i].Data) || r.ExpiresIn > time.Hour || r.ExpiresIn < 59*time.Minute || r.AbsoluteIn < 23*time.Hour {
				t.Errorf("load %d: %+v, %v", i, r, err)
			}
		}
		want("loads", together(t, tab, each(load)...), 2)
		want("saves", together(t, tab, each(func(i int) {
			rows[i].Data, rows[i].User = fmt.Appendf(nil, `{"saved":%d}`, i), fmt.Sprint("saved by ", i)
			v, err := testbed.Save(ctx, tab.Store, rows[i], testbed.AnHour)
			if err != nil || v == 0 || v == rows[i].Version {
				t.Errorf("save %d: version %d, %v", i, v, err)
			}
		})...), 4)
		tab.Age(t, 30*time.Minute)
		want("touches", together(t, tab, each(func(i int) {
			if err := testbed.Touch(ctx, tab.Store, rows[i].Ref, driver.Life{Idle: time.Hour, Throttle: time.Minute}); err != nil {
				t.Errorf("touch %d: %v", i, err)
			}
		})...), 4) // MySQL asks first which rows are free
		together(t, tab, each(func(i int) {
			r, err := tab.Store.Load(ctx, rows[i].Ref)
			if err != nil || r.ExpiresIn < 59*time.Minute || string(r.Data) != string(rows[i].Data) || r.User != rows[i].User {
				t.Errorf("load %d after the touch: %+v, %v", i, r, err)
			}
		})...)
		tab.Age(t, 4*time.Hour) // the saves gave them less time, and the reaper knows
		if deleted, err := (&sessions.Reaper{Store: tab.Store}).Sweep(ctx); deleted != n || err != nil {
			t.Errorf("deleted %d of %d, %v", deleted, n, err)
		}
	})
}

func TestACallerWhoLeavesABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		stays, leaves := testbed.NewRow(`{"n":1}`), testbed.NewRow(`{"n":1}`)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		togetherAfter(t, tab,
			func() {
				cancel()
				if err := <-left; !errors.Is(err, context.Canceled) {
					t.Errorf("the one who left: %v", err)
				}
			},
			func() { testbed.Insert(t, tab.Store, stays) },
			func() { _, err := testbed.Create(ctx, tab.Store, leaves, testbed.Day); left <- err })
		if n := tab.Rows(t); n != 1 {
			t.Errorf("%d rows, want that of the one who stayed", n)
		}
	})
}

// Two nodes save the same sessions in batches, in whatever order.
func TestBatchesOfTwoNodesDoNotDeadlock(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		watcher := b.Connect(t)
		tab := watcher.NewTable(t)
		before := deadlocks(t, watcher)
		nodes := []*testbed.Conns{b.ConnectSized(t, "", 4), b.ConnectSized(t, "", 4)}
		stores := []sessions.Store{nodes[0].OpenStore(t, tab.Name), nodes[1].OpenStore(t, tab.Name)}
		rows := make([]driver.Row, 30)
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":0}`))
		}
		var done [30]int
		var mu sync.Mutex
		testbed.Parallel(64, func(caller int) {
			store := stores[caller%2]
			for round := range 30 {
				i := (caller*7 + round*11) % len(rows)
				r, err := store.Load(t.Context(), rows[i].Ref)
				testbed.Check(t, err)
				r.Data = fmt.Appendf(nil, `{"n":%d}`, saved(t, r)+1)
				_, err = testbed.Save(t.Context(), store, r, testbed.AnHour)
				switch {
				case err == nil:
					mu.Lock()
					done[i]++
					mu.Unlock()
				case !errors.Is(err, sessions.ErrConflict):
					t.Errorf("save: %v", err)
				}
				testbed.Check(t, testbed.Touch(t.Context(), store, rows[i].Ref, driver.Life{Idle: 2 * time.Hour}))
			}
		})
		for i, r := range rows {
			got, err := tab.Store.Load(t.Context(), r.Ref)
			testbed.Check(t, err)
			if n := saved(t, got); n != done[i] {
				t.Errorf("row %d holds %d saves of %d", i, n, done[i])
			}
		}
		for _, node := range nodes {
			node.Close() // a PostgreSQL connection that ends tells what it counted
		}
		if n := deadlocks(t, watcher) - before; n != 0 {
			t.Errorf("%d deadlocks, of which retrying hid some", n)
		}
	})
}

// saved is what a row of that test counts.
func saved(t *testing.T, r driver.Row) (n int) {
	t.Helper()
	_, err := fmt.Sscanf(string(r.Data), `{"n":%d}`, &n)
	testbed.Check(t, err)
	return n
}

// deadlocks returns how many the server has broken since it began.
func deadlocks(t *testing.T, c *testbed.Conns) (n int) {
	t.Helper()
	query := "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
	if c.Dialect == migrations.MySQL {
		query = "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'"
	}
	testbed.Check(t, c.DB.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}
