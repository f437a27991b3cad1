package stores_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/observe"
)

// backlog is large once for each engine, and small on the servers of the matrix.
func backlog(b testbed.Backend) int {
	if testing.Short() || b.Name == "postgres" || b.Name == "libpq" {
		return 20_000
	}
	return 200_000
}

// filled is the ID of the row with this number among those, which begin at 1.
func filled(i int) driver.ID { return driver.ID(fmt.Sprintf("00000000-0000-0000-0000-%012x", i)) }

// onSweep returns an observer that is told how many rows each batch deleted.
func onSweep(f func(deleted int)) *observe.Observer {
	return &observe.Observer{Sweep: func(_ context.Context, s observe.Sweep) { f(s.Deleted) }}
}

// A backlog goes in batches while traffic goes on; two reapers share it.
func TestReapBacklogUnderTraffic(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		backlog := backlog(b)
		batch := backlog / 100
		tab.Fill(t, backlog)
		a := testbed.NewApp(t, tab)
		user := a.Browser(t)
		user.OK("/set?v=alive")

		reapers := [2]*sessions.Reaper{}
		var largest atomic.Int64
		var each [2]atomic.Int64
		for i := range reapers {
			reapers[i] = &sessions.Reaper{Store: tab.Store, BatchSize: batch, Observer: onSweep(func(n int) {
				each[i].Add(int64(n))
				largest.Store(max(largest.Load(), int64(n)))
			})}
		}
		if stats, err := tab.Store.Stats(t.Context()); stats.Dead != backlog || err != nil {
			t.Fatalf("stats: %+v, %v; want %d dead", stats, err, backlog)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		requests := make(chan int)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				user.OK("/count")
			}
			requests <- n
		}()
		start := time.Now()
		testbed.Parallel(2, func(i int) {
			if _, err := reapers[i].Sweep(t.Context()); err != nil {
				t.Errorf("sweep: %v", err)
			}
		})
		took := time.Since(start)
		_, err := reapers[0].Sweep(t.Context()) // what one held when the other ended
		testbed.Check(t, err)
		stop()
		served := <-requests

		first, second := each[0].Load(), each[1].Load()
		t.Logf("%d and %d rows in %v, %d requests served meanwhile", first, second, took.Round(time.Millisecond), served)
		if first+second != int64(backlog) {
			t.Errorf("deleted %d rows, want %d, each once", first+second, backlog)
		}
		if first == 0 || second == 0 {
			t.Error("one reaper did all the work")
		}
		if largest.Load() > int64(batch) {
			t.Errorf("a batch of %d rows", largest.Load())
		}
		if n := tab.Rows(t); n != 1 {
			t.Errorf("%d rows are left, want the user's", n)
		}
		if got, want := user.OK("/count"), fmt.Sprint(served+1); got != want {
			t.Errorf("the user counts %s, want %s", got, want)
		}
	})
}

// hold locks the rows with these IDs.
func hold(t *testing.T, tab *testbed.Table, ids ...driver.ID) (release func()) {
	t.Helper()
	var list []string
	for _, id := range ids {
		list = append(list, tab.Literal(id))
	}
	tx, err := tab.DB.BeginTx(t.Context(), nil)
	testbed.Check(t, err)
	_, err = tx.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET version = version + 1 WHERE id IN ("+strings.Join(list, ", ")+")")
	testbed.Check(t, err)
	return func() { _ = tx.Rollback() }
}

// Locked rows are skipped, not waited for. (SQLite locks the whole database, but only for one
// statement.)
func TestReaperPassesOverLockedRows(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.Fill(t, 100)
		defer hold(t, tab, filled(3), filled(4))()
		reaper := &sessions.Reaper{Store: tab.Store}
		if n, err := reaper.Sweep(t.Context()); n != 98 || err != nil {
			t.Errorf("deleted %d, %v; want the 98 that nobody holds", n, err)
		}
		if n, err := reaper.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("deleted %d, %v; want none of the 2 that are held", n, err)
		}
	})
}

// A row that was locked at its turn goes later in the same sweep, if it is free by then.
func TestReaperComesBackForWhatItPassedOver(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.Fill(t, 100)
		release := hold(t, tab, filled(1))
		defer release()
		reaper := &sessions.Reaper{Store: tab.Store, BatchSize: 20, Observer: onSweep(func(int) { release() })}
		if n, err := reaper.Sweep(t.Context()); n != 100 || err != nil {
			t.Errorf("deleted %d, %v; want all 100", n, err)
		}
	})
}

// Run stops when its context ends, in the middle of its work too, and goes on
// after an error.
func TestReaperRun(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.Fill(t, 5000)
		log := &testbed.LockedBuffer{}
		ctx, stop := context.WithCancel(t.Context())
		batches := make(chan int)
		reaper := &sessions.Reaper{
			Store: tab.Store, Interval: time.Millisecond, BatchSize: 100,
			Observer: onSweep(func(n int) { batches <- n }),
			Logger:   slog.New(slog.NewTextHandler(log, nil)),
		}
		ended := make(chan error)
		go func() { ended <- reaper.Run(ctx) }()
		<-batches
		<-batches
		stop()
		for open := true; open; {
			select {
			case <-batches:
			case err := <-ended:
				open = false
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Run returned %v", err)
				}
			}
		}
		if n := tab.Rows(t); n == 0 || n == 5000 {
			t.Errorf("%d rows are left of 5000: it did not stop in the middle", n)
		}
		if strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("stopping is no error: %s", log.String())
		}
		a := &testbed.App{Table: tab}
		a.NoConnectionInUse(t)
	})
}
