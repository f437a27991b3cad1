package stores_test

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

// eachWay runs a test with statements for one row each, and with those for many.
func eachWay(t *testing.T, test func(t *testing.T, tab *testbed.Table)) {
	t.Helper()
	testbed.EachEngine(t, func(t *testing.T, b testbed.Backend) { eachWayOf(t, b, test) })
}

func eachWayOf(t *testing.T, b testbed.Backend, test func(t *testing.T, tab *testbed.Table)) {
	t.Helper()
	for name, oneByOne := range map[string]bool{"single": true, "batched": false} {
		t.Run(name, func(t *testing.T) {
			tab := b.NewTable(t)
			if oneByOne {
				tab.Store = openOneByOne(t, tab)
			}
			test(t, tab)
		})
	}
}

// openOneByOne opens a store that sends each call by itself.
func openOneByOne(t *testing.T, tab *testbed.Table) (store driver.Store) {
	t.Helper()
	var err error
	if tab.Dialect == migrations.MySQL {
		store, err = mysqlstore.New(tab.DB).With(mysqlstore.Options{Table: tab.Name, OneByOne: true})
	} else {
		store, err = pgstore.NewPool(tab.Pool).With(pgstore.Options{Table: tab.Name, OneByOne: true})
	}
	testbed.Check(t, err)
	return store
}

// insertMany creates rows of a user in a few statements.
func insertMany(t *testing.T, tab *testbed.Table, n int, user string) []driver.Row {
	t.Helper()
	rows := make([]driver.Row, n)
	testbed.Parallel(n, func(i int) {
		r := testbed.NewRow(`{"n":1}`)
		r.User = user
		rows[i] = testbed.Insert(t, tab.Store, r)
	})
	slices.SortFunc(rows, func(a, b driver.Row) int { return cmp.Compare(a.ID, b.ID) })
	return rows
}

func count(t *testing.T, tab *testbed.Table, where string) (n int) {
	t.Helper()
	testbed.Check(t, tab.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.Name+" WHERE "+where).Scan(&n))
	return n
}

// atOnce starts all calls when all of them are ready, and waits for them.
func atOnce(calls []func()) {
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	for _, call := range calls {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			call()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// A touch or save that began before the ending, and gets the row after it, must not take it for
// alive.
func TestAnEndingIsNotUndone(t *testing.T) {
	const wave, touches = 100, 5
	ends := testbed.Times(600)
	anEndingIsNotUndone := func(t *testing.T, tab *testbed.Table) {
		ctx := t.Context()
		var moved, saved atomic.Int64
		for range ends / wave {
			var calls []func()
			for _, row := range insertMany(t, tab, wave, "alice") {
				for i := range touches + 2 {
					calls = append(calls, func() {
						switch i {
						case touches:
							if err := tab.Store.End(ctx, driver.EndRequest{ID: row.ID, Reason: "logout", Keep: time.Hour}); err != nil {
								t.Errorf("end: %v", err)
							}
						case touches + 1:
							if _, err := testbed.Save(ctx, tab.Store, row, testbed.AnHour); err == nil {
								saved.Add(1)
							} else if !errors.Is(err, driver.ErrNotFound) {
								t.Errorf("save: %v", err)
							}
						default:
							if err := testbed.Touch(ctx, tab.Store, row.Ref, driver.Life{Idle: 2 * time.Hour}); err == nil {
								moved.Add(1)
							} else if !errors.Is(err, driver.ErrNotFound) {
								t.Errorf("touch: %v", err)
							}
						}
					})
				}
			}
			atOnce(calls)
		}
		t.Logf("%d touches and %d saves came before the ending", moved.Load(), saved.Load())
		if moved.Load() == 0 || int(moved.Load()) == ends*touches || saved.Load() == 0 || int(saved.Load()) == ends {
			t.Error("they were not in flight when the row ended")
		}
		past := "'1970-01-03'"
		if tab.Dialect == migrations.SQLite {
			past = "172800000"
		}
		if n := count(t, tab, "expires_at > "+past+" OR CAST(data AS CHAR(9)) <> '{}' OR verifier IS NOT NULL"+
			" OR COALESCE(ended_reason, '') <> 'logout'"); n != 0 {
			t.Errorf("%d of %d endings were undone", n, ends)
		}
		if stats, err := tab.Store.Stats(ctx); stats != (driver.Stats{Ended: ends}) || err != nil {
			t.Errorf("counted %+v, %v", stats, err)
		}
	}
	eachWay(t, anEndingIsNotUndone)
	t.Run("sqlite", func(t *testing.T) { anEndingIsNotUndone(t, testbed.Backends[testbed.SQLite].NewTable(t)) })
}

// Of an ending and a save that were made for the same version, one wins.
func TestAnEndingOfAVersionBesideASave(t *testing.T) {
	const rounds, wave = 10, 50
	eachWay(t, func(t *testing.T, tab *testbed.Table) {
		ctx := t.Context()
		ended := 0
		for range rounds {
			rows := insertMany(t, tab, wave, "alice")
			var calls []func()
			endErrs, saveErrs := make([]error, wave), make([]error, wave)
			for i, row := range rows {
				calls = append(calls,
					func() { _, saveErrs[i] = testbed.Save(ctx, tab.Store, row, testbed.AnHour) },
					func() { endErrs[i] = tab.Store.End(ctx, driver.EndRequest{ID: row.ID, Version: row.Version}) })
			}
			atOnce(calls)
			for i, row := range rows {
				_, err := tab.Store.Load(ctx, row.Ref)
				switch {
				case endErrs[i] == nil && errors.Is(saveErrs[i], driver.ErrNotFound) && errors.Is(err, driver.ErrNotFound):
					ended++
				case saveErrs[i] == nil && errors.Is(endErrs[i], driver.ErrConflict) && err == nil:
				default:
					t.Errorf("end: %v, save: %v, load: %v", endErrs[i], saveErrs[i], err)
				}
			}
		}
		t.Logf("%d of %d ended", ended, rounds*wave)

		row := insertMany(t, tab, 1, "alice")[0]
		bob, alice := "bob", "alice"
		for _, try := range []struct {
			user    *string
			version driver.Version
			want    error
		}{
			{nil, row.Version + 1, driver.ErrConflict},
			{&alice, row.Version + 1, driver.ErrConflict},
			{&bob, row.Version + 1, driver.ErrNotFound},
			{&bob, row.Version, driver.ErrNotFound},
			{&alice, row.Version, nil},
			{&alice, row.Version, driver.ErrNotFound},
		} {
			if err := tab.Store.End(ctx, driver.EndRequest{ID: row.ID, User: try.user, Version: try.version}); !errors.Is(err, try.want) {
				t.Errorf("%+v: %v", try, err)
			}
		}
	})
}

// Every row that is the user's ends once, and no row ends that has become another user's.
func TestEndAllBesideOtherWrites(t *testing.T) {
	const n, page = 1200, 90
	eachWay(t, func(t *testing.T, tab *testbed.Table) {
		ctx := t.Context()
		rows := insertMany(t, tab, n, "alice")
		var ended, moved atomic.Int64
		calls := []func(){func() {
			var after driver.ID
			for more := true; more; {
				result, err := tab.Store.EndAll(ctx, driver.EndAllRequest{
					User: "alice", After: after, Limit: page, Reason: "revoked", Keep: time.Hour,
					Except: []driver.ID{rows[0].ID}, Mark: driver.Mark{Number: 1, Keep: time.Hour},
				})
				if err != nil {
					t.Errorf("end all: %v", err)
				}
				ended.Add(int64(result.Ended))
				after, more = result.Last, result.More
			}
		}}
		for i, row := range rows[1:] {
			calls = append(calls, func() {
				switch i % 3 {
				case 0:
					if _, err := testbed.Renew(ctx, tab.Store, row, testbed.RandomVerifier(), testbed.AnHour); err != nil && !errors.Is(err, driver.ErrNotFound) {
						t.Errorf("save: %v", err)
					}
				case 1:
					row.User = "bob"
					if _, err := testbed.Save(ctx, tab.Store, row, testbed.AnHour); err == nil {
						moved.Add(1)
					} else if !errors.Is(err, driver.ErrNotFound) {
						t.Errorf("save: %v", err)
					}
				case 2:
					if err := tab.Store.End(ctx, driver.EndRequest{ID: row.ID, Reason: "logout", Keep: time.Hour}); err == nil {
						ended.Add(1)
					} else if !errors.Is(err, driver.ErrNotFound) {
						t.Errorf("end: %v", err)
					}
				}
			})
		}
		atOnce(calls)
		t.Logf("%d of %d rows became another user's before they could end", moved.Load(), n/3)
		alice, bob := count(t, tab, "expires_at > '1970-01-03' AND user_id = 'alice'"), count(t, tab, "expires_at > '1970-01-03' AND user_id = 'bob'")
		if alice != 1 || int64(bob) != moved.Load() || ended.Load()+moved.Load()+1 != n {
			t.Errorf("%d and %d rows are live, %d were ended and %d became another user's", alice, bob, ended.Load(), moved.Load())
		}
		if got, err := tab.Store.Stats(ctx); got != (driver.Stats{Live: alice + bob, Ended: int(ended.Load())}) || err != nil {
			t.Errorf("counted %+v, %v", got, err)
		}
		for id, want := range map[driver.ID]int{rows[0].ID: 0, rows[1].ID: 1} {
			if marks, err := tab.Store.Marks(ctx, driver.MarksRequest{ID: id, User: "alice"}); len(marks) != want || err != nil {
				t.Errorf("marks: %+v, %v; want %d", marks, err, want)
			}
		}
	})
}

// Marks that are set at the same time are one row, which has all of them and is kept as long as
// the longest.
func TestMarksAtTheSameTime(t *testing.T) {
	eachWay(t, func(t *testing.T, tab *testbed.Table) {
		const n = 20
		ctx := t.Context()
		ids := make([]driver.ID, n)
		var calls []func()
		for i := range n {
			ids[i] = testbed.NewRow("").ID
			calls = append(calls, func() {
				_, err := tab.Store.EndAll(ctx, driver.EndAllRequest{
					User: "alice", Limit: 1, Except: []driver.ID{ids[i]}, Mark: driver.Mark{Number: int64(i + 1), Keep: time.Duration(i+1) * time.Hour},
				})
				if err != nil {
					t.Errorf("end all: %v", err)
				}
			})
		}
		atOnce(calls)
		if rows := tab.Rows(t); rows != 1 {
			t.Errorf("%d rows, want 1", rows)
		}
		tab.Age(t, (n-1)*time.Hour)
		for i, id := range ids {
			over := map[int64]bool{int64(i + 1): true}
			marks, err := tab.Store.Marks(ctx, driver.MarksRequest{ID: id, User: "alice"})
			for _, m := range marks {
				if over[m.Number] || m.Age < (n-1)*time.Hour || m.Age > n*time.Hour {
					t.Errorf("row %d is under %+v", i+1, m)
				}
				over[m.Number] = true
			}
			if len(over) != n || err != nil {
				t.Errorf("row %d is under %+v, %v, want all marks but its own", i+1, marks, err)
			}
		}
		if got, err := testbed.Reap(ctx, tab.Store, 10); got != 0 || err != nil {
			t.Errorf("reaped %d marks, %v", got, err)
		}
		tab.Age(t, 4*time.Hour) // on PostgreSQL a reaper looks in even hours
		if got, err := testbed.Reap(ctx, tab.Store, 10); got != 1 || err != nil || tab.Rows(t) != 0 {
			t.Errorf("reaped %d marks, %v, want 1", got, err)
		}
	})
}
