package sessions_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// A burst is requests of one session whose saves wait for one that the store takes a second for.
type burst struct {
	*spy
	manager *sessions.Manager
	user    *visitor
	status  map[string]int
}

func newBurst(t *testing.T, change ...func(*sessions.Options)) *burst {
	t.Helper()
	b := &burst{spy: newSpy(), status: map[string]int{}}
	b.manager = newManager(t, b.spy, change...)
	b.user = loggedIn(t, b.manager)
	return b
}

// run begins requests at once, and lets their handlers return in this order.
func (b *burst) run(handlers map[string]func(*sessions.Session), order ...string) {
	b.reset(func(op string) error {
		if op == "save" {
			time.Sleep(time.Second)
		}
		return nil
	})
	var wait sync.WaitGroup
	var mu sync.Mutex
	for i, name := range append([]string{"first"}, order...) {
		wait.Go(func() {
			res := b.user.twin().visit(func(s *sessions.Session) {
				time.Sleep(time.Duration(i+1) * time.Millisecond) // the others load
				if f := handlers[name]; f != nil {
					f(s)
					return
				}
				count.Update(s, func(n int) int { return n + 1 })
			})
			mu.Lock()
			defer mu.Unlock()
			b.status[name] = res.StatusCode
		})
		synctest.Wait()
	}
	wait.Wait()
}

// Of ten requests that change one session at the same time the first saves, and then one for
// the nine others.
func TestABurstTakesTwoSaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBurst(t)
		began := time.Now()
		b.run(nil, strings.Split("123456789", "")...)
		for name, status := range b.status {
			if status != http.StatusOK {
				t.Errorf("%s: %d", name, status)
			}
		}
		if took := time.Since(began); b.count("save") != 2 || b.count("load") != 10 || took > 3*time.Second {
			t.Errorf("%d saves and %d loads in %v", b.count("save"), b.count("load"), took)
		}
		if n := value(b.user, count); n != 11 { // it was 1
			t.Errorf("the counter is %d", n)
		}
	})
}

// What is one request's alone stays with it.
func TestInABurstEachGetsItsOwn(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		handler func(*sessions.Session)
		status  int // of its request
		others  int // of those that were behind it
		count   int // with the cookie from before, where it was 1; -1 if that opens nothing
	}{
		"too large":  {func(s *sessions.Session) { name.Set(s, strings.Repeat("x", 70_000)) }, 500, 200, 6},
		"no value":   {func(s *sessions.Session) { count.Update(s, func(int) int { return 1 }); name.Set(s, "\xff") }, 500, 200, 6},
		"a cookie":   {func(s *sessions.Session) { s.SetMaxAge(time.Hour) }, 200, 200, 6},
		"the same":   {func(s *sessions.Session) { s.SetUser("alice") }, 200, 409, -1},
		"another":    {func(s *sessions.Session) { s.SetUser("bob") }, 200, 409, -1},
		"regenerate": {func(s *sessions.Session) { s.Regenerate() }, 200, 409, -1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBurst(t)
				b.run(map[string]func(*sessions.Session){"special": test.handler}, "0", "1", "special", "2", "3")
				for name, status := range b.status {
					want := http.StatusOK
					switch name {
					case "special":
						want = test.status
					case "2", "3":
						want = test.others
					}
					if status != want {
						t.Errorf("%s: %d, want %d", name, status, want)
					}
				}
				got := -1
				if b.user.alive() {
					got = value(b.user, count)
				}
				if got != test.count {
					t.Errorf("the counter is %d, want %d", got, test.count)
				}
			})
		})
	}
}

// A logout waits for no save, and none of those that wait brings the session back.
func TestALogoutInABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBurst(t)
		b.run(map[string]func(*sessions.Session){"logout": (*sessions.Session).Destroy}, "0", "1", "logout", "2")
		for name, want := range map[string]int{"logout": http.StatusOK, "0": http.StatusConflict, "1": http.StatusConflict, "2": http.StatusConflict} {
			if b.status[name] != want {
				t.Errorf("%s: %d, want %d", name, b.status[name], want)
			}
		}
		if b.user.alive() {
			t.Error("the session is back")
		}
	})
}

// After a save that another carried along a request goes on with what that one stored.
func TestARequestGoesOnAfterABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBurst(t)
		again := func(s *sessions.Session) {
			count.Update(s, func(n int) int { return n + 1 })
			if err := s.Save(t.Context()); err != nil {
				t.Error(err)
			}
			if n, _ := count.Get(s); n != 5 {
				t.Errorf("after the save the counter is %d", n)
			}
			time.Sleep(10 * time.Second)
			name.Set(s, "kept")
		}
		b.run(map[string]func(*sessions.Session){"again": again}, "0", "again", "1")
		if b.count("save") != 3 || value(b.user, name) != "kept" || value(b.user, count) != 5 {
			t.Errorf("%d saves, name %q, counter %d", b.count("save"), value(b.user, name), value(b.user, count))
		}
	})
}

// What the store refuses of one request's is told to that one.
func TestABurstWithAValueThatTheStoreRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBurst(t)
		b.manager = newManager(t, &pickyStore{b.spy})
		b.user.manager = b.manager
		b.run(map[string]func(*sessions.Session){"poison": func(s *sessions.Session) { name.Set(s, "poison") }}, "0", "poison", "1")
		for name, status := range b.status {
			if want := map[bool]int{true: http.StatusInternalServerError, false: http.StatusOK}[name == "poison"]; status != want {
				t.Errorf("%s: %d, want %d", name, status, want)
			}
		}
		if n := value(b.user, count); n != 4 || value(b.user, name) != "" {
			t.Errorf("the counter is %d, the name %q", n, value(b.user, name))
		}
	})
}

// A pickyStore refuses one value.
type pickyStore struct{ sessions.Store }

func (s *pickyStore) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if bytes.Contains(req.Data, []byte("poison")) {
		return driver.SaveResult{}, driver.ErrValue
	}
	return s.Store.Save(ctx, req)
}

// A hangingStore saves nothing while hang is set.
type hangingStore struct {
	sessions.Store
	hang atomic.Bool
}

func (s *hangingStore) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if s.hang.Load() {
		<-ctx.Done()
		return driver.SaveResult{}, context.Cause(ctx)
	}
	return s.Store.Save(ctx, req)
}

// When the store does not answer, each request fails when its own time is up, and the session
// is usable again afterwards.
func TestABurstAgainstAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := &hangingStore{Store: memstore.New()}
		m := newManager(t, hanging, func(o *sessions.Options) { o.Timeout = 2 * time.Second })
		user := loggedIn(t, m)
		hanging.hang.Store(true)
		began := time.Now()
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				res := user.twin().visit(func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) })
				wantStatus(t, res, http.StatusServiceUnavailable)
			})
		}
		wait.Wait()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("they took %v", took)
		}
		hanging.hang.Store(false)
		wantStatus(t, user.visit(func(s *sessions.Session) { count.Set(s, 1) }), http.StatusOK)
	})
}
