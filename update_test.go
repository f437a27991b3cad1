package sessions_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// A save of the same request that was merged with another's brings that one's value while
// the function of an Update runs. The function has to run on that value too.
func TestAnUpdateThatRunsWhileASaveIsMerged(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	other := v.twin()
	res := v.visit(func(s *sessions.Session) {
		name.Set(s, "x")
		inside, goOn, done := make(chan struct{}, 2), make(chan struct{}), make(chan int)
		go func() {
			done <- count.Update(s, func(n int) int {
				inside <- struct{}{}
				<-goOn
				return n + 1
			})
		}()
		<-inside
		other.visit(func(s *sessions.Session) { count.Set(s, 6) })
		if err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		close(goOn)
		if got := <-done; got != 7 {
			t.Errorf("Update returns %d, want 7", got)
		}
	})
	wantStatus(t, res, http.StatusOK)
	if value(v, count) != 7 || value(v, name) != "x" {
		t.Errorf("count %d, name %q; want 7 and x", value(v, count), value(v, name))
	}
}

// misuses are what the function of an Update must not do with its session.
var misuses = map[string]func(*sessions.Session) error{
	"Set":         func(s *sessions.Session) error { count.Set(s, 7); return s.Err() },
	"Set another": func(s *sessions.Session) error { name.Set(s, "x"); return s.Err() },
	"Update": func(s *sessions.Session) error {
		count.Update(s, func(n int) int { return n + 1 })
		return s.Err()
	},
	"Delete":     func(s *sessions.Session) error { count.Delete(s); return s.Err() },
	"Clear":      func(s *sessions.Session) error { s.Clear(); return s.Err() },
	"SetMaxAge":  func(s *sessions.Session) error { s.SetMaxAge(time.Hour); return s.Err() },
	"SetUser":    func(s *sessions.Session) error { s.SetUser("ann"); return s.Err() },
	"Regenerate": func(s *sessions.Session) error { s.Regenerate(); return s.Err() },
	"Destroy":    func(s *sessions.Session) error { s.Destroy(); return s.Err() },
	"Discard":    func(s *sessions.Session) error { s.Discard(); return s.Err() },
}

func TestAnUpdateThatChangesItsSessionIsRefused(t *testing.T) {
	t.Parallel()
	for what, misuse := range misuses {
		log := new(logBook)
		v := loggedIn(t, newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() }))
		runs := 0
		res := v.visit(func(s *sessions.Session) {
			count.Update(s, func(n int) int {
				runs++
				if err := misuse(s); !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "Update") {
					t.Errorf("%s: Err is %v", what, err)
				}
				return n + 1
			})
		})
		if res.StatusCode != http.StatusInternalServerError || runs != 1 {
			t.Errorf("%s: status %d after %d runs, want 500 after 1", what, res.StatusCode, runs)
		}
		if lines := log.lines(t, "ERROR"); len(lines) != 2 || lines[0]["change"] == nil {
			t.Errorf("%s: the log says:\n%s\nwant the refused change and the failed request", what, log.text())
		}
		if !v.alive() || value(v, count) != 1 || value(v, name) != "" {
			t.Errorf("%s: something was stored", what)
		}
	}
}

// In the replay the locks of a save are held, so it would lock up.
func TestAnUpdateThatSavesItsSessionIsRefused(t *testing.T) {
	t.Parallel()
	for what, work := range map[string]func(*sessions.Session) error{
		"Save":   func(s *sessions.Session) error { return s.Save(t.Context()) },
		"Reload": func(s *sessions.Session) error { return s.Reload(t.Context()) },
		"Touch":  func(s *sessions.Session) error { return s.Touch(t.Context()) },
	} {
		v := loggedIn(t, newManager(t, memstore.New()))
		other, runs := v.twin(), 0
		v.visit(func(s *sessions.Session) {
			count.Update(s, func(n int) int {
				runs++
				if err := work(s); !errors.Is(err, sessions.ErrInvalid) {
					t.Errorf("%s returns %v", what, err)
				}
				return n + 1
			})
			other.visit(func(s *sessions.Session) { count.Set(s, 10) })
		})
		if got := value(v, count); got != 11 || runs != 2 {
			t.Errorf("%s: count is %d after %d runs, want 11 after 2", what, got, runs)
		}
	}
}

// The function behaves the first time, and not when it is laid over what a save wrote.
func TestAReplayThatChangesItsSessionIsRefused(t *testing.T) {
	t.Parallel()
	for what, misuse := range misuses {
		store := newSpy()
		v := loggedIn(t, newManager(t, store))
		runs := 0
		res := v.visit(func(s *sessions.Session) {
			name.Set(s, "kept")
			store.reset(func(op string) error {
				if op == "save" {
					store.reset(nil)
					count.Update(s, func(n int) int {
						if runs++; runs > 1 {
							_ = misuse(s)
						}
						return n + 1
					})
				}
				return nil
			})
			if err := s.Save(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Err(); !errors.Is(err, sessions.ErrInvalid) {
				t.Errorf("%s: Err is %v", what, err)
			}
		})
		wantStatus(t, res, http.StatusInternalServerError)
		if runs != 2 || value(v, count) != 1 || value(v, name) != "kept" {
			t.Errorf("%s: %d runs, count %d, name %q; want 2, 1 and kept", what, runs, value(v, count), value(v, name))
		}
	}
}

// The stack does not show that the function is to blame, so the number of runs is bounded.
func TestAnUpdateThatWaitsForAChangeEnds(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	res := v.visit(func(s *sessions.Session) {
		next := 100
		count.Update(s, func(n int) int {
			done := make(chan struct{})
			next++
			go func() { count.Set(s, next); close(done) }()
			<-done
			return n + 1
		})
		if err := s.Err(); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("Err is %v", err)
		}
	})
	wantStatus(t, res, http.StatusInternalServerError)
}

// The same while the function is laid over what a save wrote.
func TestAReplayThatWaitsForAChangeEnds(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	runs := 0
	res := v.visit(func(s *sessions.Session) {
		name.Set(s, "kept")
		store.reset(func(op string) error {
			if op == "save" {
				store.reset(nil)
				count.Update(s, func(n int) int {
					if runs++; runs > 1 {
						done := make(chan struct{})
						go func() { sessions.NewKey[int]("runs").Set(s, runs); close(done) }()
						<-done
					}
					return n + 1
				})
			}
			return nil
		})
		if err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Err(); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("after %d runs Err is %v", runs, err)
		}
	})
	wantStatus(t, res, http.StatusInternalServerError)
	if value(v, count) != 1 || value(v, name) != "kept" {
		t.Errorf("count %d, name %q; want 1 and kept", value(v, count), value(v, name))
	}
}

// A function that reads the session, and other goroutines that change it, are no misuse.
func TestOtherGoroutinesMayChangeTheSessionDuringAnUpdate(t *testing.T) {
	t.Parallel()
	v := loggedIn(t, newManager(t, memstore.New()))
	res := v.visit(func(s *sessions.Session) {
		goOn, changed, done := make(chan struct{}, 2), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			count.Update(s, func(n int) int {
				goOn <- struct{}{}
				<-changed
				if text, _ := name.Get(s); text != "x" || s.User() != "" || len(s.Keys()) != 2 {
					t.Errorf("the function reads %q, %q and %q", text, s.User(), s.Keys())
				}
				return n + 1
			})
		}()
		<-goOn
		name.Set(s, "x")
		count.Update(s, func(n int) int { return n + 10 })
		if err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		close(changed)
		<-done
		if err := s.Err(); err != nil {
			t.Errorf("Err is %v", err)
		}
	})
	wantStatus(t, res, http.StatusOK)
	if value(v, count) != 12 || value(v, name) != "x" {
		t.Errorf("count %d, name %q; want 12 and x", value(v, count), value(v, name))
	}
}

// At the end of the request there is no handler any more that the panic could belong to.
func TestAnUpdateThatPanicsAtTheEndOfTheRequest(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		log := new(logBook)
		m := newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() })
		v := loggedIn(t, m)
		srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if begun {
				_, _ = io.WriteString(w, "begun")
				_ = http.NewResponseController(w).Flush()
			}
			s := sessions.FromContext(r.Context())
			name.Set(s, "x")
			count.Update(s, panicsOnce())
			v.twin().visit(func(s *sessions.Session) { count.Set(s, 10) })
		})))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", cookieName+"="+v.cookie)
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("begun %v: %v", begun, err)
		}
		_, cut := io.ReadAll(res.Body)
		_ = res.Body.Close()
		want := http.StatusInternalServerError
		if begun {
			want = http.StatusOK
		}
		if res.StatusCode != want || (cut != nil) != begun {
			t.Errorf("begun %v: status %d, then %v", begun, res.StatusCode, cut)
		}
		srv.Close() // wait until the handler has ended
		if text := log.text(); !strings.Contains(text, `"panic":"string"`) || strings.Contains(text, "in the function") || !strings.Contains(text, "panicsOnce") {
			t.Errorf("begun %v: the log has no panic with its stack:\n%s", begun, text)
		}
		if value(v, count) != 10 || value(v, name) != "" {
			t.Errorf("begun %v: count %d, name %q; want 10 and none", begun, value(v, count), value(v, name))
		}
	}
}
