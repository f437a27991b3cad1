package integration_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
)

// together makes the calls while the pool's only connection is taken, so that
// they have to wait, and then go as one batch. It returns how many statements that took.
func (tab *table) together(t *testing.T, calls ...func()) int64 {
	t.Helper()
	return tab.togetherAfter(t, func() {}, calls...)
}

// togetherAfter is together with something that happens while all calls wait.
func (tab *table) togetherAfter(t *testing.T, happens func(), calls ...func()) int64 {
	t.Helper()
	release := tab.takeConnection(t)
	var wait sync.WaitGroup
	waiting, _ := callsWaiting()
	for i, call := range append([]func(){func() { // goes alone, when there is a connection again
		_, _ = tab.store.Load(context.Background(), newRow("").Key)
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
	before := tab.statements.Load()
	release()
	wait.Wait()
	return tab.statements.Load() - before - 1
}

func (tab *table) takeConnection(t *testing.T) (release func()) {
	t.Helper()
	if tab.pool != nil {
		conn, err := tab.pool.Acquire(t.Context())
		check(t, err)
		return conn.Release
	}
	conn, err := tab.db.Conn(t.Context())
	check(t, err)
	return func() { check(t, conn.Close()) }
}

// callsWaiting counts the goroutines that wait in a call to a store, for company or for a
// connection, and tells whether one that sends batches is about to take one: whom it
// will take along is open until it waits for a connection itself.
func callsWaiting() (n int, taking bool) {
	for stack := range strings.SplitSeq(stacks(), "\n\n") {
		head, frames, _ := strings.Cut(stack, "\n")
		frames, _, _ = strings.Cut(frames, "\ncreated by ") // who sends was started by a call, and is none
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

func stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}

func newRow(data string) sessions.Record {
	var b [48]byte
	_, _ = rand.Read(b[:])
	return sessions.Record{Key: sessions.RowKey(b[:32]), Handle: hex.EncodeToString(b[32:]), Data: []byte(data)}
}

var (
	day    = sessions.TTL{Idle: time.Hour, Absolute: 24 * time.Hour}
	anHour = sessions.TTL{Idle: time.Hour}
)

// eachBatching runs a test on a pool of one connection of every backend that batches.
func eachBatching(t *testing.T, test func(t *testing.T, tab *table)) {
	t.Helper()
	eachServer(t, func(t *testing.T, b backend) { test(t, b.connectSized(t, "", 1).newTable(t)) })
}

func TestManyCallsAreOneStatement(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *table) {
		const n = 40
		ctx := t.Context()
		rows := make([]sessions.Record, n)
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
			rows[i] = newRow(fmt.Sprintf(`{"i":%d,"s":"\"\\ {},é😀"}`, i))
			if i%2 == 0 {
				rows[i].User = fmt.Sprintf(`u"\,{%d}`, i)
			}
		}
		want("creates", tab.together(t, each(func(i int) {
			if err := tab.store.Create(ctx, rows[i], day); err != nil {
				t.Errorf("create %d: %v", i, err)
			}
		})...), 4) // with what is asked and prepared once
		load := func(i int) {
			r, err := tab.store.Load(ctx, rows[i].Key)
			if err != nil || r.Key != rows[i].Key || r.Handle != rows[i].Handle || r.User != rows[i].User ||
				string(r.Data) != string(rows[i].Data) || r.ExpiresIn > time.Hour || r.ExpiresIn < 59*time.Minute || r.AbsoluteIn < 23*time.Hour {
				t.Errorf("load %d: %+v, %v", i, r, err)
			}
			rows[i].Version = r.Version
		}
		want("loads", tab.together(t, each(load)...), 2)
		want("saves", tab.together(t, each(func(i int) {
			rows[i].Data, rows[i].User = fmt.Appendf(nil, `{"saved":%d}`, i), fmt.Sprint("saved by ", i)
			v, err := tab.store.Save(ctx, rows[i], anHour)
			if err != nil || v != rows[i].Version+1 {
				t.Errorf("save %d: version %d, %v", i, v, err)
			}
		})...), 4)
		tab.age(t, 30*time.Minute)
		want("touches", tab.together(t, each(func(i int) {
			if err := tab.store.Touch(ctx, rows[i].Key, sessions.TTL{Idle: time.Hour, Throttle: time.Minute}); err != nil {
				t.Errorf("touch %d: %v", i, err)
			}
		})...), 4) // MySQL asks first which rows are free
		tab.together(t, each(func(i int) {
			if r, err := tab.store.Load(ctx, rows[i].Key); err != nil || r.ExpiresIn < 59*time.Minute || string(r.Data) != string(rows[i].Data) || r.User != rows[i].User {
				t.Errorf("load %d after the touch: %+v, %v", i, r, err)
			}
		})...)
		tab.age(t, 4*time.Hour) // the saves gave them less time, and the reaper knows
		if deleted, err := (&sessions.Reaper{Store: tab.store}).Sweep(ctx); deleted != n || err != nil {
			t.Errorf("deleted %d of %d, %v", deleted, n, err)
		}
	})
}

// What is wrong with one call of a batch is nothing to its neighbours.
func TestNeighboursInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *table) {
		ctx := t.Context()
		good, other, stale, gone, bad, taken := newRow(`{"n":1}`), newRow(`{"n":1}`), newRow(`{"n":1}`), newRow(`{"n":1}`), newRow(`{"n":1}`), newRow(`{"n":1}`)
		for _, r := range []sessions.Record{good, other, stale, bad, taken} {
			check(t, tab.store.Create(ctx, r, day))
		}
		save := func(r sessions.Record, version sessions.Version, data string, want error) func() {
			return func() {
				r.Version, r.Data = version, []byte(data)
				v, err := tab.store.Save(ctx, r, anHour)
				if !errors.Is(err, want) || err == nil && v != version+1 {
					t.Errorf("save %s: version %d, %v, want %v", data, v, err, want)
				}
			}
		}
		tab.together(t,
			save(good, 1, `{"n":2}`, nil),
			save(stale, 7, `{"stale":2}`, sessions.ErrConflict),
			save(gone, 1, `{"gone":2}`, sessions.ErrNotFound),
			save(good, 2, `{"n":3}`, nil), // in the next batch, for it is the same row
			save(good, 2, `{"n":4}`, sessions.ErrConflict),
			save(other, 1, `{"n":2}`, nil),
			func() {
				if _, err := tab.store.Load(ctx, gone.Key); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("load: %v", err)
				}
			})
		tab.together(t,
			save(good, 3, `{"n":4}`, nil),
			save(bad, 1, `{"bad":`, sessions.ErrValue),
			save(other, 2, `{"n":3}`, nil))
		create := func(r sessions.Record, want error) func() {
			return func() {
				if err := tab.store.Create(ctx, r, day); !errors.Is(err, want) {
					t.Errorf("create: %v, want %v", err, want)
				}
			}
		}
		first, second, broken, sameHandle := newRow(`{"n":1}`), newRow(`{"n":1}`), newRow(`{"n":`), newRow(`{"n":1}`)
		sameHandle.Handle = taken.Handle
		tab.together(t, create(first, nil), create(taken, sessions.ErrExists), create(sameHandle, sessions.ErrExists), create(second, nil))
		third := newRow(`{"n":1}`)
		tab.together(t, create(third, nil), create(broken, sessions.ErrValue))
		for what, r := range map[string]sessions.Record{"good": good, "other": other, "first": first, "second": second, "third": third} {
			got, err := tab.store.Load(ctx, r.Key)
			if want := map[string]string{"good": `{"n":4}`, "other": `{"n":3}`}[what]; err != nil || want != "" && string(got.Data) != want {
				t.Errorf("%s: %s, %v", what, got.Data, err)
			}
		}
		if n := tab.rows(t); n != 8 {
			t.Errorf("%d rows, want 8", n)
		}
	})
}

func TestACallerWhoLeavesABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *table) {
		stays, leaves := newRow(`{"n":1}`), newRow(`{"n":1}`)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		tab.togetherAfter(t,
			func() {
				cancel()
				if err := <-left; !errors.Is(err, context.Canceled) {
					t.Errorf("the one who left: %v", err)
				}
			},
			func() { check(t, tab.store.Create(t.Context(), stays, day)) },
			func() { left <- tab.store.Create(ctx, leaves, day) })
		if n := tab.rows(t); n != 1 {
			t.Errorf("%d rows, want that of the one who stayed", n)
		}
	})
}

// Two nodes save the same sessions in batches, in whatever order.
func TestBatchesOfTwoNodesDoNotDeadlock(t *testing.T) {
	eachServer(t, func(t *testing.T, b backend) {
		watcher := b.connect(t)
		tab := watcher.newTable(t)
		before := watcher.deadlocks(t)
		nodes := []*conns{b.connectSized(t, "", 4), b.connectSized(t, "", 4)}
		stores := []sessions.Store{nodes[0].openStore(t, tab.name), nodes[1].openStore(t, tab.name)}
		rows := make([]sessions.Record, 30)
		for i := range rows {
			rows[i] = newRow(`{"n":0}`)
			check(t, tab.store.Create(t.Context(), rows[i], day))
		}
		var done [30]int
		var mu sync.Mutex
		parallel(64, func(caller int) {
			store := stores[caller%2]
			for round := range 30 {
				i := (caller*7 + round*11) % len(rows)
				r, err := store.Load(t.Context(), rows[i].Key)
				check(t, err)
				_, err = store.Save(t.Context(), r, anHour)
				switch {
				case err == nil:
					mu.Lock()
					done[i]++
					mu.Unlock()
				case !errors.Is(err, sessions.ErrConflict):
					t.Errorf("save: %v", err)
				}
				check(t, store.Touch(t.Context(), rows[i].Key, sessions.TTL{Idle: 2 * time.Hour}))
			}
		})
		for i, r := range rows {
			got, err := tab.store.Load(t.Context(), r.Key)
			if err != nil || int(got.Version) != done[i]+1 {
				t.Errorf("row %d: version %d after %d saves, %v", i, got.Version, done[i], err)
			}
		}
		for _, node := range nodes {
			node.close() // a PostgreSQL connection that ends tells what it counted
		}
		if n := watcher.deadlocks(t) - before; n != 0 {
			t.Errorf("%d deadlocks, of which retrying hid some", n)
		}
	})
}

// deadlocks returns how many the server has broken since it began.
func (c *conns) deadlocks(t *testing.T) (n int) {
	t.Helper()
	query := "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
	if c.dialect == migrations.MySQL {
		query = "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'"
	}
	check(t, c.db.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}
