package express_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/takeover"
)

// A move is an Express application's manager, and one of our own that takes over.
type move struct {
	oldStore, store *spy
	old, next       *sessions.Manager
	options         sessions.Options
	from            takeover.From
}

func newMove(t *testing.T, change ...func(*sessions.Options)) *move {
	t.Helper()
	v := &move{oldStore: newSpy(), store: newSpy()}
	v.old = newManager(t, pager{v.oldStore})
	v.options = sessions.Options{
		Secrets: [][]byte{[]byte("another secret of 32 bytes or more")},
		Logger:  slog.New(slog.DiscardHandler),
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
	}
	v.from = takeover.From{Manager: v.old, Until: time.Now().Add(time.Hour), UserKey: "passport.user"}
	for _, f := range change {
		f(&v.options)
	}
	v.next = v.manager(t)
	return v
}

func (v *move) manager(t *testing.T) *sessions.Manager {
	t.Helper()
	m, err := takeover.New(v.store, v.options, v.from)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A pager reads a memory store in the order of its verifiers.
type pager struct{ *spy }

func (p pager) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	rows, err := p.List(ctx, driver.ListRequest{All: true, Limit: 1 << 20})
	slices.SortFunc(rows, func(a, b driver.Row) int { return strings.Compare(string(a.Verifier), string(b.Verifier)) })
	rows = slices.DeleteFunc(rows, func(r driver.Row) bool { return r.Verifier <= after })
	return rows[:min(limit, len(rows))], err
}

var passport = sessions.NewKey[map[string]any]("passport")

// login makes a session of the old kind.
func (v *move) login(t *testing.T) *browser {
	t.Helper()
	b := newBrowser(t, v.old)
	b.visit(func(s *sessions.Session) {
		views.Set(s, 1)
		passport.Set(s, map[string]any{"user": 42})
	})
	b.manager = v.next
	return b
}

func count(t *testing.T, m *sessions.Manager) int {
	t.Helper()
	n, err := m.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSessionsMoveOverWithTheNextRequest(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	b := v.login(t)
	stranger := newBrowser(t, v.next)
	old := b.cookies["connect.sid"]
	res := b.visit(func(s *sessions.Session) {
		if n, _ := views.Get(s); n != 1 || s.User() != "42" || s.IsNew() {
			t.Errorf("views %d, user %q, new %v", n, s.User(), s.IsNew())
		}
	})
	if len(b.cookies) != 1 || b.cookies["session"] == "" {
		t.Errorf("the browser holds %v after %q", b.cookies, res.Header["Set-Cookie"])
	}
	if count(t, v.old) != 0 || count(t, v.next) != 1 {
		t.Errorf("%d old sessions and %d new ones, want 0 and 1", count(t, v.old), count(t, v.next))
	}
	// A response may have been lost, or another tab may still be loading.
	b.cookies = map[string]string{"connect.sid": old}
	if got := value(b, views); got != 1 {
		t.Errorf("the old cookie once more: views is %d", got)
	}
	late := newBrowser(t, v.next)
	late.cookies["connect.sid"] = old
	b.visit(func(s *sessions.Session) { s.Destroy() })
	if got := value(late, views); got != 0 || count(t, v.next) != 0 {
		t.Error("the old cookie brought back a session that was logged out")
	}
	if value(stranger, views) != 0 {
		t.Error("somebody without a cookie got a session")
	}
}

func TestASessionOfOurOwnComesBeforeAnOldOne(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	b := newBrowser(t, v.next)
	b.visit(func(s *sessions.Session) { views.Set(s, 5) })
	b.cookies["connect.sid"] = v.login(t).cookies["connect.sid"]
	if got := value(b, views); got != 5 || count(t, v.old) != 1 {
		t.Errorf("views is %d, want our own 5; %d old sessions left, want 1", got, count(t, v.old))
	}
}

func TestARegeneratedSessionDoesNotComeBackByItsOldCookie(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	b := v.login(t)
	thief := newBrowser(t, v.next)
	thief.cookies["connect.sid"] = b.cookies["connect.sid"]
	b.visit(func(s *sessions.Session) { s.SetUser("42") })
	if got := value(thief, views); got != 0 {
		t.Error("the cookie of before the login still works")
	}
	if got := value(b, views); got != 1 {
		t.Errorf("views is %d after the login, want 1", got)
	}
}

func TestParallelRequestsMoveASessionOnce(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	for range 20 {
		b := v.login(t)
		var wait sync.WaitGroup
		for range 10 {
			tab := newBrowser(t, v.next)
			tab.cookies["connect.sid"] = b.cookies["connect.sid"]
			wait.Go(func() {
				tab.visit(func(s *sessions.Session) {
					views.Update(s, func(n int) int { return n + 1 })
				})
			})
		}
		wait.Wait()
		if got := value(b, views); got != 11 {
			t.Errorf("views is %d, want 1 + 10", got)
		}
	}
	if count(t, v.next) != 20 || count(t, v.old) != 0 {
		t.Errorf("%d sessions here and %d there, want 20 and 0", count(t, v.next), count(t, v.old))
	}
}

// broken fails creates, and tells of calls.
type broken struct {
	sessions.Store
	create bool
	called func(op string)
}

func (b *broken) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	b.tell("create")
	if b.create {
		return driver.SaveResult{}, errDown
	}
	return b.Store.Create(ctx, req)
}

func (b *broken) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	b.tell("list")
	return b.Store.List(ctx, req)
}

func (b *broken) tell(op string) {
	if b.called != nil {
		b.called(op)
	}
}

func TestASessionThatCannotBeStoredHereStaysThere(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	b := v.login(t)
	before := b.cookies["connect.sid"]
	down := &broken{Store: v.store, create: true}
	m, err := takeover.New(down, v.options, v.from)
	if err != nil {
		t.Fatal(err)
	}
	b.manager = m
	res := b.visit(func(*sessions.Session) { t.Error("the handler ran") })
	if res.StatusCode != http.StatusServiceUnavailable || res.Header["Set-Cookie"] != nil {
		t.Errorf("%d, Set-Cookie %q", res.StatusCode, res.Header["Set-Cookie"])
	}
	down.create = false
	if got := value(b, views); got != 1 || b.cookies["connect.sid"] == before {
		t.Errorf("afterwards views is %d and the cookies are %v", got, b.cookies)
	}
}

func TestTheTakeOverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newMove(t)
		b := v.login(t)
		time.Sleep(time.Hour)
		if got := value(b, views); got != 0 || count(t, v.old) != 1 {
			t.Errorf("after Until: views %d, %d old sessions left", got, count(t, v.old))
		}
	})
}

func TestPredecessorOptions(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	for what, p := range map[string]takeover.From{
		"no manager":     {Until: time.Now()},
		"no end":         {Manager: v.old},
		"one of our own": {Manager: v.next, Until: time.Now()},
	} {
		if _, err := takeover.New(v.store, v.options, p); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
