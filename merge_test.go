package sessions_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// together runs n requests of one browser so that all have loaded the session
// before the first one saves.
func together(v *visitor, n int, f func(i int, s *sessions.Session)) {
	var loaded, done sync.WaitGroup
	loaded.Add(n)
	for i := range n {
		done.Go(func() {
			res := v.twin().visit(func(s *sessions.Session) {
				loaded.Done()
				loaded.Wait()
				f(i, s)
			})
			if res.StatusCode != http.StatusOK {
				v.tb.Errorf("request %d: status %d", i, res.StatusCode)
			}
		})
	}
	done.Wait()
}

func TestParallelRequestsEachKeepTheirKey(t *testing.T) {
	t.Parallel()
	const n = 200
	v := loggedIn(t, newManager(t, memstore.New()))
	key := func(i int) sessions.Key[int] { return sessions.NewKey[int](fmt.Sprint("key ", i)) }
	together(v, n, func(i int, s *sessions.Session) { key(i).Set(s, i) })
	v.visit(func(s *sessions.Session) {
		for i := range n {
			if got, ok := key(i).Get(s); got != i || !ok {
				t.Errorf("key %d holds %d, %v", i, got, ok)
			}
		}
		if got := len(s.Keys()); got != n+1 {
			t.Errorf("%d keys, want %d", got, n+1)
		}
	})
}

func TestParallelUpdatesAreAllApplied(t *testing.T) {
	t.Parallel()
	const n = 200
	v := loggedIn(t, newManager(t, memstore.New()))
	together(v, n, func(_ int, s *sessions.Session) { count.Update(s, func(c int) int { return c + 1 }) })
	if got := value(v, count); got != n+1 {
		t.Errorf("the counter ended at %d, want %d", got, n+1)
	}
}

func TestUpdatesOfOneRequestInParallel(t *testing.T) {
	t.Parallel()
	const n = 200
	v := loggedIn(t, newManager(t, memstore.New()))
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		var done sync.WaitGroup
		for i := range n {
			done.Go(func() {
				count.Update(s, func(c int) int { return c + 1 })
				if i%10 == 0 {
					if err := s.Save(r.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
	})
	if got := value(v, count); got != n+1 {
		t.Errorf("the counter ended at %d, want %d", got, n+1)
	}
}

func TestAnEqualValueWritesNothing(t *testing.T) {
	t.Parallel()
	store := newSpy()
	list := sessions.NewKey[[]string]("list")
	v := loggedIn(t, newManager(t, store))
	v.visit(func(s *sessions.Session) { list.Set(s, []string{"a", "b"}) })
	for what, f := range map[string]func(*sessions.Session){
		"set again":          func(s *sessions.Session) { count.Set(s, 1); list.Set(s, []string{"a", "b"}) },
		"updated to itself":  func(s *sessions.Session) { count.Update(s, func(n int) int { return n }) },
		"there and back":     func(s *sessions.Session) { count.Set(s, 9); count.Set(s, 1) },
		"deleted and set":    func(s *sessions.Session) { count.Delete(s); count.Set(s, 1) },
		"set and deleted":    func(s *sessions.Session) { name.Set(s, "x"); name.Delete(s) },
		"absent key deleted": func(s *sessions.Session) { name.Delete(s); name.Pop(s) },
		"same user":          func(s *sessions.Session) { s.SetUser("") },
		"only read":          func(s *sessions.Session) { list.Get(s); s.Keys(); s.ID(); s.ExpiresAt(); s.CreatedAt() },
		"cleared and refilled": func(s *sessions.Session) {
			s.Clear()
			list.Set(s, []string{"a", "b"})
			count.Set(s, 1)
		},
	} {
		store.reset(nil)
		v.visit(f)
		if all, loads := store.count(), store.count("load"); all != loads {
			t.Errorf("%s: %d calls beside the load", what, all-loads)
		}
	}
}

func TestUpdateRunsAgainOnTheOtherRequestsValue(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	var saw []int
	v.visit(func(s *sessions.Session) {
		count.Update(s, func(n int) int {
			saw = append(saw, n)
			name.Get(s) // reading is allowed, and must not lock up
			s.User()
			return n + 1
		})
		v.twin().visit(func(s *sessions.Session) { count.Set(s, 40) })
	})
	if got := value(v, count); got != 41 || !slices.Equal(saw, []int{1, 40}) {
		t.Errorf("the counter ended at %d, f saw %v; want 41 and [1 40]", got, saw)
	}
}

// Another goroutine of the request changes the value while f runs.
func TestUpdateNoticesAChangeMadeWhileFRan(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	var saw []int
	v.visit(func(s *sessions.Session) {
		got := count.Update(s, func(n int) int {
			if saw = append(saw, n); len(saw) == 1 {
				var other sync.WaitGroup
				other.Go(func() { count.Update(s, func(n int) int { return n + 10 }) })
				other.Wait()
			}
			return n + 1
		})
		if got != 12 || !slices.Equal(saw, []int{1, 11}) {
			t.Errorf("Update returns %d, f saw %v; want 12 and [1 11]", got, saw)
		}
	})
	if got := value(v, count); got != 12 {
		t.Errorf("the counter ended at %d, want 12", got)
	}
}

// Somebody at a database console may change the user of a row; a merge does
// not change it back.
func TestAMergeKeepsTheStoredUser(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	v := loggedIn(t, newManager(t, store))
	wantStatus(t, v.visit(func(s *sessions.Session) {
		rows, err := store.List(t.Context(), driver.ListRequest{All: true, Limit: 10})
		if err != nil || len(rows) != 1 {
			t.Fatal(len(rows), err)
		}
		rows[0].User = "ann"
		if err := saveRow(t, store, rows[0]); err != nil {
			t.Fatal(err)
		}
		count.Set(s, 2)
	}), http.StatusOK)
	if got := look(v, (*sessions.Session).User); got != "ann" || value(v, count) != 2 {
		t.Errorf("user %q, count %d; want ann and 2", got, value(v, count))
	}
}

func TestConflictForEverIsAnErrorAfterBoundedTries(t *testing.T) {
	t.Parallel()
	for op, f := range map[string]func(*sessions.Session){
		"save":  func(s *sessions.Session) { count.Set(s, 2) },
		"renew": func(s *sessions.Session) { s.Regenerate() },
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got error
				store := newSpy()
				m := newManager(t, store, func(o *sessions.Options) {
					o.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
						got = err
						sessions.DefaultErrorHandler(w, r, err)
					}
				})
				v := loggedIn(t, m)
				store.reset(failing(sessions.ErrConflict, op))
				wantStatus(t, v.visit(f), http.StatusServiceUnavailable)
				if !errors.Is(got, sessions.ErrConflict) {
					t.Errorf("the error is %v", got)
				}
				if n := store.count(op); n < 10 || n > 100 {
					t.Errorf("%d tries", n)
				}
				store.reset(nil)
				if got := value(v, count); got != 1 {
					t.Errorf("count is %d, want 1", got)
				}
			})
		})
	}
}
