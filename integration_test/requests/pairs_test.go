package requests_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// pairs is an application whose requests wait in the middle, until the session has ended.
type pairs struct {
	*testbed.App
	outcome chan error // what a handler, or the error handler, was told
}

func newPairs(t *testing.T, tab *testbed.Table, adapt ...func(*sessions.Options)) *pairs {
	t.Helper()
	p := &pairs{outcome: make(chan error, 10)}
	p.App = testbed.NewApp(t, tab, append(adapt, func(o *sessions.Options) {
		o.MaxPerUser, o.TouchInterval = 1, -1
		o.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			p.outcome <- err
			sessions.DefaultErrorHandler(w, r, err)
		}
	})...)
	mux := http.NewServeMux()
	mux.HandleFunc("/begin", func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		testbed.Value.Set(s, "kept")
		s.SetUser(r.FormValue("u"))
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		p.wait()
		sessions.FromContext(r.Context()).Destroy()
	})
	mux.HandleFunc("/why", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		v, _ := testbed.Value.Get(s)
		reason, err := s.EndedReason(r.Context())
		fmt.Fprintf(w, "%s|%s|%s|%v", s.User(), v, reason, err)
	})
	for name, act := range actions {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) { act.handler(p, w, r) })
	}
	p.Server = httptest.NewServer(p.Manager.Handler(mux))
	t.Cleanup(p.Server.Close)
	return p
}

// wait holds a request back until the test lets it go on.
func (p *pairs) wait() {
	resume := make(chan struct{})
	p.Slow <- resume
	<-resume
}

// How a request that did not save is answered.
const (
	refused = iota // 409
	passes         // 200, and the handler was told
	cut            // in the middle
)

type action struct {
	visitor bool // the session has no user before
	answer  int
	want    error // what the handler is told, if it is not the reason
	handler func(p *pairs, w http.ResponseWriter, r *http.Request)
}

// then returns a handler that waits and then changes the session.
func then(change func(s *sessions.Session, r *http.Request)) func(*pairs, http.ResponseWriter, *http.Request) {
	return func(p *pairs, w http.ResponseWriter, r *http.Request) {
		p.wait()
		change(sessions.FromContext(r.Context()), r)
		_, _ = io.WriteString(w, "done")
	}
}

var actions = map[string]action{
	"save":       {handler: then(func(s *sessions.Session, _ *http.Request) { testbed.Value.Set(s, "late") })},
	"regenerate": {handler: then(func(s *sessions.Session, _ *http.Request) { s.Regenerate() })},
	"signin":     {visitor: true, handler: then(func(s *sessions.Session, r *http.Request) { s.SetUser(r.FormValue("u")) })},
	"again":      {handler: then(func(s *sessions.Session, r *http.Request) { s.SetUser(r.FormValue("u")) })},
	"touch": {answer: passes, handler: func(p *pairs, _ http.ResponseWriter, r *http.Request) {
		p.wait()
		p.outcome <- sessions.FromContext(r.Context()).Touch(r.Context())
	}},
	"stream": {answer: cut, want: sessions.ErrEnded, handler: func(p *pairs, w http.ResponseWriter, r *http.Request) {
		s := begun(p, w, r)
		testbed.Value.Set(s, "late")
		p.outcome <- sessions.ErrEnded
	}},
	"stream-save": {answer: passes, handler: func(p *pairs, w http.ResponseWriter, r *http.Request) {
		s := begun(p, w, r)
		testbed.Value.Set(s, "late")
		p.outcome <- s.Save(r.Context())
	}},
	"goroutine": {answer: passes, want: sessions.ErrTooLate, handler: func(p *pairs, _ http.ResponseWriter, r *http.Request) {
		s, gone := sessions.FromContext(r.Context()), r.Context().Done()
		go func() {
			<-gone
			p.wait()
			testbed.Value.Set(s, "late")
			p.outcome <- errors.Join(s.Save(r.Context()), s.Touch(r.Context()))
		}()
	}},
}

// begun sends the first byte, and waits.
func begun(p *pairs, w http.ResponseWriter, r *http.Request) *sessions.Session {
	s := sessions.FromContext(r.Context())
	s.Keys()
	_, _ = io.WriteString(w, "begun")
	_ = http.NewResponseController(w).Flush()
	p.wait()
	return s
}

// An end ends the session in one of the ways that there are.
type end struct {
	reason   sessions.Reason
	together bool // also at the same moment: the session ends, whichever comes first
	endless  bool // there is no idle timeout
	do       func(t *testing.T, p *pairs, name string, id driver.ID, owner string)
}

var ends = map[string]end{
	"destroy": {reason: sessions.ReasonLogout, together: true}, // by another request
	"revoke": {
		reason: sessions.ReasonRevoked,
		do: func(t *testing.T, p *pairs, _ string, id driver.ID, owner string) {
			testbed.Check(t, p.Manager.Revoke(t.Context(), owner, id))
		},
	},
	"revoke user": {
		reason: sessions.ReasonRevokedUser, together: true,
		do: func(t *testing.T, p *pairs, name string, _ driver.ID, _ string) {
			_, err := p.Manager.RevokeUser(t.Context(), name)
			testbed.Check(t, err)
		},
	},
	"revoke all": {
		reason: sessions.ReasonRevokedUser, together: true,
		do: func(t *testing.T, p *pairs, _ string, _ driver.ID, _ string) {
			_, err := p.Manager.RevokeAll(t.Context())
			testbed.Check(t, err)
		},
	},
	"limit": {
		reason: sessions.ReasonEvicted,
		do: func(t *testing.T, p *pairs, name string, _ driver.ID, _ string) {
			p.Browser(t).OK("/begin?u=" + name)
		},
	},
	"idle": {
		reason: sessions.ReasonIdle, together: true,
		do: func(t *testing.T, p *pairs, _ string, _ driver.ID, _ string) {
			p.Age(t, 25*time.Hour)
		},
	},
	"lifetime": {
		reason: sessions.ReasonLifetime, endless: true,
		do: func(t *testing.T, p *pairs, _ string, _ driver.ID, _ string) {
			p.Age(t, 25*time.Hour)
		},
	},
}

// Whatever ends a session while a request is running wins: no cookie opens it, who wrote is
// told, and the next request learns why.
func TestTheEndingWins(t *testing.T) {
	for _, i := range []int{testbed.PGXPool, testbed.Postgres, testbed.MySQL, testbed.SQLite} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			tab := b.NewTable(t)
			usual := newPairs(t, tab)
			endless := newPairs(t, tab, func(o *sessions.Options) { o.IdleTimeout, o.Lifetime = 24*time.Hour, 24*time.Hour })
			for endName, e := range ends {
				p := usual
				if e.endless {
					p = endless
				}
				for actName, act := range actions {
					if act.visitor && e.reason == sessions.ReasonEvicted {
						continue // a limit is of users
					}
					t.Run(actName+" and "+endName, func(t *testing.T) { p.pair(t, actName, act, e, false) })
					if e.together {
						t.Run(actName+" with "+endName, func(t *testing.T) { p.pair(t, actName, act, e, true) })
					}
				}
			}
		})
	}
}

// An answered request.
type answered struct {
	status int
	body   string
	err    error // the connection was cut
}

func fetch(b *testbed.Browser, path string) (a answered) {
	r, err := b.Get(b.Base + path)
	if err != nil {
		return answered{err: err}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return answered{r.StatusCode, string(body), err}
}

func (p *pairs) pair(t *testing.T, path string, act action, e end, together bool) {
	name := string(testbed.NewRow("").ID) // a user of its own
	owner := name
	if act.visitor {
		owner = ""
	}
	user := p.Browser(t)
	user.OK("/begin?u=" + owner)
	key, _ := testbed.CookieParts(t, user.Cookie().Value)
	id := driver.ID(uuid.Format(key))
	old, other := user.Clone(p.App), user.Clone(p.App)

	answer := make(chan answered, 1)
	go func() { answer <- fetch(user, "/"+path+"?u="+name) }()
	resume := <-p.Slow
	finish := func() { e.do(t, p, name, id, owner) }
	if e.do == nil {
		finish = p.logOut(other)
	}
	if together {
		testbed.Parallel(2, func(i int) { []func(){finish, func() { close(resume) }}[i]() })
	} else {
		finish()
		close(resume)
	}
	got := <-answer
	told := p.told(act)
	if !together || got.status == http.StatusConflict {
		act.check(t, got, told, e.reason)
	}

	if rows, err := p.Store.List(t.Context(), driver.ListRequest{ID: id, Limit: 1}); len(rows) != 0 || err != nil {
		t.Errorf("%d rows are live, %v", len(rows), err)
	}
	for what, browser := range map[string]*testbed.Browser{"old": old, "new": user} {
		if got, want := browser.OK("/why"), fmt.Sprintf("||%s|<nil>", e.reason); got != want {
			t.Errorf("with the %s cookie: %q, want %q", what, got, want)
		}
	}
}

// logOut begins to log out, and returns a function that goes on with it.
func (p *pairs) logOut(user *testbed.Browser) (finish func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		user.OK("/logout")
	}()
	resume := <-p.Slow
	return func() {
		close(resume)
		<-done
	}
}

// told returns what the handler was told, or the error handler. If the ending came later,
// nothing was.
func (p *pairs) told(act action) error {
	if act.answer != refused {
		return <-p.outcome
	}
	select {
	case err := <-p.outcome:
		return err
	default:
		return nil
	}
}

// check compares how a request was answered whose session had ended before it wrote.
func (act *action) check(t *testing.T, got answered, told error, reason sessions.Reason) {
	t.Helper()
	var ended *sessions.EndedError
	if act.want == nil && (!errors.As(told, &ended) || ended.Reason != reason) || !errors.Is(told, act.want) && act.want != nil {
		t.Errorf("told %v, want %q", told, reason)
	}
	ok := false
	switch act.answer {
	case refused:
		ok = got.status == http.StatusConflict && got.body == "Conflict\n"
	case passes:
		ok = got.status == http.StatusOK && got.err == nil
	case cut:
		ok = got.err != nil
	}
	if !ok {
		t.Errorf("answered %+v", got)
	}
}
