package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// A pausing response runs pause once, when the header is asked for.
type pausing struct {
	http.ResponseWriter
	pause func()
}

func (p *pausing) Header() http.Header {
	if pause := p.pause; pause != nil {
		p.pause = nil
		pause()
	}
	return p.ResponseWriter.Header()
}

// A Save of another goroutine that needs a cookie, when the save before the first byte is
// done and the header is about to be written: it must not store a token that no browser gets.
func TestASaveBetweenTheFirstSaveAndTheHeader(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*sessions.Session){
		"a new session": func(s *sessions.Session) { count.Set(s, 1) },
		"Regenerate":    (*sessions.Session).Regenerate,
		"SetUser":       func(s *sessions.Session) { s.SetUser("ann") },
	} {
		for _, fails := range []bool{false, true} {
			store := newSpy()
			m := newManager(t, store)
			v := newVisitor(t, m)
			if what != "a new session" {
				v = loggedIn(t, m)
			}
			rec := httptest.NewRecorder()
			w := &pausing{ResponseWriter: rec}
			r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
			if v.cookie != "" {
				r.Header.Set("Cookie", cookieName+"="+v.cookie)
			}
			saved, goOn := make(chan error, 1), make(chan struct{})
			m.Handler(http.HandlerFunc(func(first http.ResponseWriter, r *http.Request) {
				s := sessions.FromContext(r.Context())
				w.pause = func() {
					inside := make(chan struct{})
					store.reset(func(op string) error {
						if op == "create" || op == "renew" {
							close(inside)
							<-goOn
						}
						return nil
					})
					if fails {
						s.Discard()
					}
					change(s)
					go func() { saved <- s.Save(t.Context()) }()
					select {
					case err := <-saved:
						saved <- err
					case <-inside: // the token is on its way to the store
					}
				}
				if fails {
					sessions.NewKey[any]("f").Set(s, func() {})
				}
				first.WriteHeader(http.StatusOK)
				close(goOn)
				if err := <-saved; !errors.Is(err, sessions.ErrTooLate) {
					t.Errorf("%s, fails %v: Save returns %v", what, fails, err)
				}
				s.Discard()
			})).ServeHTTP(w, r)
			if c := ours(t, rec.Result()); c != nil {
				t.Errorf("%s, fails %v: a cookie came: %v", what, fails, c)
			}
			if what == "a new session" {
				wantRows(t, m, 0)
			} else if !v.alive() {
				t.Errorf("%s, fails %v: the browser's token is dead", what, fails)
			}
		}
	}
}

// The function of an Update that waits for a save of its session, which waits for the save
// that runs the function, ends when Timeout is over, with an error.
func TestAnUpdateThatWaitsForASaveEnds(t *testing.T) {
	t.Parallel()
	for what, work := range map[string]func(*sessions.Session) error{
		"Save":   func(s *sessions.Session) error { return s.Save(context.Background()) },
		"Reload": func(s *sessions.Session) error { return s.Reload(context.Background()) },
		"Touch":  func(s *sessions.Session) error { return s.Touch(context.Background()) },
	} {
		synctest.Test(t, func(t *testing.T) {
			v := loggedIn(t, newManager(t, memstore.New()))
			other, runs, began := v.twin(), 0, time.Now()
			res := v.visit(func(s *sessions.Session) {
				count.Update(s, func(n int) int {
					if runs++; runs > 1 {
						done := make(chan error)
						go func() { done <- work(s) }()
						if err := <-done; !errors.Is(err, sessions.ErrUnavailable) {
							t.Errorf("%s returns %v", what, err)
						}
					}
					return n + 1
				})
				other.visit(func(s *sessions.Session) { count.Set(s, 10) })
			})
			want := map[int]int{http.StatusServiceUnavailable: 10, http.StatusOK: 11} // both limits end together
			if took := time.Since(began); took > 6*time.Second || value(v, count) != want[res.StatusCode] {
				t.Errorf("%s: status %d and count %d after %v", what, res.StatusCode, value(v, count), took)
			}
		})
	}
}

// Saves of a session that wait for one that hangs do not take the limit one after the other.
func TestSavesThatWaitForOneThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		v := loggedIn(t, newManager(t, store))
		began := time.Now()
		v.visit(func(s *sessions.Session) {
			store.reset(func(op string) error {
				if op == "save" {
					time.Sleep(time.Minute)
				}
				return nil
			})
			count.Set(s, 2)
			go func() { _ = s.Save(t.Context()) }()
			synctest.Wait()
			done := make(chan error)
			for range 20 {
				go func() { done <- s.Save(t.Context()) }()
			}
			for range 20 {
				if err := <-done; !errors.Is(err, sessions.ErrUnavailable) {
					t.Errorf("Save returns %v", err)
				}
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("20 Saves took %v", took)
			}
			time.Sleep(time.Minute)
		})
	})
}

// loadsNothing does not answer a Load while hang is set.
type loadsNothing struct {
	sessions.Store
	hang atomic.Bool
}

func (s *loadsNothing) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if s.hang.Load() {
		<-ctx.Done()
		return driver.Row{}, context.Cause(ctx)
	}
	return s.Store.Load(ctx, ref)
}

// A Reload holds up the saves of its session, so it does not take longer than they may.
func TestAReloadEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := &loadsNothing{Store: memstore.New()}
		v := loggedIn(t, newManager(t, hanging))
		began := time.Now()
		v.visit(func(s *sessions.Session) {
			hanging.hang.Store(true)
			if err := s.Reload(t.Context()); err == nil {
				t.Error("Reload returns nil")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("Reload took %v", took)
			}
			hanging.hang.Store(false)
			count.Set(s, 2)
		})
		if n := value(v, count); n != 2 {
			t.Errorf("count is %d", n)
		}
	})
}
