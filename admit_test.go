package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
)

var errTooMany = errors.New("too many of this address")

// admitting is a hook that notes who asks and refuses while refuse is set.
type admitting struct {
	refuse error
	asked  []string
}

func (a *admitting) option(o *sessions.Options) {
	o.AdmitAnonymous = func(r *http.Request) error {
		a.asked = append(a.asked, r.Method+" "+r.RemoteAddr)
		return a.refuse
	}
}

func TestARefusedVisitorLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, why := range []error{errTooMany, sessions.ErrNotFound, sessions.ErrUnavailable, context.Canceled} {
		store, hook, log := newSpy(), &admitting{refuse: why}, new(logBook)
		var handled error
		m := newManager(t, store, hook.option, func(o *sessions.Options) {
			o.Logger = log.logger()
			o.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { handled = err }
		})
		for range 100 {
			res := newVisitor(t, m).visit(func(s *sessions.Session) { count.Set(s, 1) })
			if res.StatusCode != http.StatusTooManyRequests || res.Header["Set-Cookie"] != nil || body(t, res) == "done" {
				t.Fatalf("%v: status %d, header %v", why, res.StatusCode, res.Header)
			}
		}
		if !errors.Is(handled, sessions.ErrLimit) || !errors.Is(handled, why) || errors.Is(handled, sessions.ErrEnded) {
			t.Errorf("%v: the error handler got %v", why, handled)
		}
		if n := store.count(); n != 0 || len(hook.asked) != 100 || hook.asked[0] != "GET 192.0.2.1:1234" {
			t.Errorf("%v: %d calls of the store, asked %v", why, n, hook.asked)
		}
		if n := len(log.lines(t, "INFO")); n != 1 || len(log.lines(t, "ERROR")) != 0 {
			t.Errorf("%v: the log says:\n%s", why, log.text())
		}
		hook.refuse = nil
		loggedIn(t, m)
		wantRows(t, m, 1)
	}
}

func TestWhoIsAskedToAdmit(t *testing.T) {
	t.Parallel()
	hook := &admitting{}
	m := newManager(t, newSpy(), hook.option)
	asked := func(what string, want int) {
		t.Helper()
		if len(hook.asked) != want {
			t.Errorf("%s: asked %d times, want %d", what, len(hook.asked), want)
		}
		hook.asked = nil
	}
	v := newVisitor(t, m)
	v.visit(func(s *sessions.Session) { count.Get(s); s.Regenerate(); s.SetMaxAge(time.Hour); s.ID() })
	asked("a visitor who stores nothing", 0)
	newVisitor(t, m).visit(func(s *sessions.Session) { signIn(s); count.Set(s, 1) })
	asked("a sign-in", 0)
	v.visit(func(s *sessions.Session) {
		count.Set(s, 1)
		_ = s.Save(t.Context())
		count.Set(s, 2)
	})
	asked("a first row", 1)
	v.visit(func(s *sessions.Session) { count.Set(s, 3); s.Regenerate() })
	v.visit(signIn)
	asked("a row that is there", 0)
	v.visit(func(s *sessions.Session) { s.Destroy(); count.Set(s, 1) })
	asked("a row that tells a user of the logout", 0)
	v.visit(func(s *sessions.Session) { s.Destroy(); count.Set(s, 1) })
	asked("another row in place of a visitor's", 1)

	secure := newManager(t, newSpy(), hook.option, func(o *sessions.Options) { o.Cookie.Secure = sessions.SecureAlways })
	newVisitor(t, secure).visit(func(s *sessions.Session) { count.Set(s, 1) })
	asked("no cookie, no row", 0)
}

// A handler that asks learns of the refusal, and can answer without a session. What it was
// told once stays so, and a row that may have been written is none to be asked about again.
func TestSaveOfARefusedVisitor(t *testing.T) {
	t.Parallel()
	for _, discard := range []bool{true, false} {
		hook := &admitting{refuse: errTooMany}
		m := newManager(t, newSpy(), hook.option)
		res := newVisitor(t, m).visit(func(s *sessions.Session) {
			count.Set(s, 1)
			for range 2 {
				if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrLimit) || !errors.Is(err, errTooMany) {
					t.Errorf("Save returns %v", err)
				}
			}
			if discard {
				s.Discard()
			}
		})
		want := map[bool]int{true: http.StatusOK, false: http.StatusTooManyRequests}[discard]
		if res.StatusCode != want || len(hook.asked) != 1 || ours(t, res) != nil {
			t.Errorf("discard %v: status %d, asked %d times", discard, res.StatusCode, len(hook.asked))
		}
		wantRows(t, m, 0)
	}
	hook := &admitting{}
	m := newManager(t, &lossy{Store: newSpy(), creates: 1}, hook.option)
	v := newVisitor(t, m)
	v.visit(func(s *sessions.Session) {
		count.Set(s, 1)
		_ = s.Save(t.Context())
		hook.refuse = errTooMany
		_ = s.Save(t.Context())
	})
	if len(hook.asked) != 1 || value(v, count) != 1 {
		t.Errorf("asked %d times, count %d", len(hook.asked), value(v, count))
	}
	wantRows(t, m, 1)
}

// What middleware inside has found out about the request counts, and a hook can be told to stop.
func TestTheHookGetsTheHandlersRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		address, word := "", ""
		m := newManager(t, newSpy(), func(o *sessions.Options) {
			o.Timeout = time.Second
			o.AdmitAnonymous = func(r *http.Request) error {
				address, word = r.RemoteAddr, r.FormValue("word")
				<-r.Context().Done()
				return r.Context().Err()
			}
		})
		h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = "203.0.113.9" // as a proxy's header says
			_ = r.ParseForm()
			count.Set(sessions.FromContext(r.Context()), 1)
		}))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("word=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec, began := httptest.NewRecorder(), time.Now()
		h.ServeHTTP(rec, r)
		if took := time.Since(began); took > time.Second || rec.Code != http.StatusTooManyRequests {
			t.Errorf("%d after %v", rec.Code, took)
		}
		if address != "203.0.113.9" || word != "x" {
			t.Errorf("the hook got %q and %q", address, word)
		}
	})
}
