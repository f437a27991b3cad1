package express_test

import (
	"bytes"
	"fmt"
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

// The old cookie is a second key until a minute after the browser first sent the new one.
func TestTheOldCookieIsASecondKeyForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newMove(t)
		v.from.Until = time.Now().Add(90 * 24 * time.Hour)
		v.options.IdleTimeout = 48 * time.Hour
		v.next = v.manager(t)
		b := v.login(t)
		b.manager = v.next
		cookie := b.cookies["connect.sid"]
		old := func() bool { return newBrowser(t, v.next).onlyOld(cookie).loggedIn() }
		if !old() {
			t.Fatal("the take-over failed")
		}
		time.Sleep(20 * time.Hour) // the answer was lost, and the phone was off
		if !b.loggedIn() {
			t.Error("the browser that never got the new cookie is logged out")
		}
		time.Sleep(time.Hour)
		v.store.taken()
		if !b.loggedIn() || b.cookies["session"] == "" { // the first request with the new cookie
			t.Error("the new cookie does not work")
		}
		if ops := fmt.Sprint(v.store.taken()); ops != "[get set]" {
			t.Errorf("the first request with the new cookie did %v", ops)
		}
		time.Sleep(59 * time.Second)
		v.store.taken()
		if !old() || !b.loggedIn() {
			t.Error("within the minute one of the cookies does not work")
		}
		if ops := v.store.taken(); slices.Contains(ops, "set") {
			t.Errorf("later requests did %v", ops)
		}
		time.Sleep(2 * time.Second)
		v.store.taken()
		if old() {
			t.Error("after the minute the old cookie logs in")
		}
		if !b.loggedIn() {
			t.Error("after the minute the new cookie does not work")
		}
		b.visit(func(s *sessions.Session) { s.Clear() }) // which keeps the note
		time.Sleep(time.Hour)
		newBrowser(t, v.next).onlyOld(cookie).visit(func(s *sessions.Session) {
			if !s.IsNew() {
				t.Error("after Clear the old cookie opens the session")
			}
		})
	})
}

// Of parallel first requests with the new cookie, the one that saves first says when the
// minute begins. None of their changes is lost.
func TestTheFirstNoteCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newMove(t)
		b := v.login(t)
		cookie := b.cookies["connect.sid"]
		b.visit(func(*sessions.Session) {})
		var wait sync.WaitGroup
		for i := range 6 { // request i comes after i seconds and takes six, so all come before the first one saves
			tab := b.tab(v.next)
			wait.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				tab.visit(func(s *sessions.Session) {
					time.Sleep(6 * time.Second)
					views.Update(s, func(n int) int { return n + 1 })
				})
			})
		}
		time.Sleep(59 * time.Second)
		wait.Wait()
		old := newBrowser(t, v.next).onlyOld(cookie)
		if got := value(old.tab(v.next), views); got != 7 {
			t.Errorf("views is %d, want 7", got)
		}
		time.Sleep(2 * time.Second)
		if old.loggedIn() {
			t.Error("the old cookie logs in a minute after the first request with the new one")
		}
	})
}

// A name that begins with $ is this package's own here. What the application keeps there is
// left behind, with a word to the operator.
func TestNamesThatAreOurs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	v := newMove(t, func(o *sessions.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	const data = `{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},` +
		`"$cookie":"mine","$x":1,"$user":7,"$imported":"y","$oldCookie":3,"views":1,"passport":{"user":42}}`
	b := v.login(t)
	row := v.row(t)
	row.Data = []byte(data)
	if _, err := v.oldStore.Store.Save(t.Context(), driver.SaveRequest{
		From: row.Ref, Version: row.Version, Verifier: row.Verifier, Data: row.Data, Life: driver.Life{Idle: time.Hour},
	}); err != nil {
		t.Fatal(err)
	}
	b.manager = v.old // the tables are shared: nothing is lost
	b.visit(func(s *sessions.Session) {
		if n, _ := views.Get(s); n != 1 {
			t.Errorf("a value beside $cookie is %d", n)
		}
		views.Set(s, 2)
	})
	if got := string(v.row(t).Data); got != strings.Replace(data, `"views":1`, `"views":2`, 1) {
		t.Errorf("saved\n%s over\n%s", got, data)
	}
	b.manager = v.next
	for range 2 {
		if !b.loggedIn() || value(b, views) != 2 {
			t.Errorf("views is %d", value(b, views))
		}
	}
	if got := log.String(); !strings.Contains(got, "names that begin with $") ||
		!strings.Contains(got, `names="[$cookie $x $user $imported $oldCookie]"`) || strings.Contains(got, "mine") {
		t.Errorf("the log says %q", got)
	}
}

// Whose session it is, the Express application says.
func TestTheUserOfAnOldSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key, passport, set, want string
		logged                   bool
	}{
		"the application's":           {"passport.user", `{"user":"bob"}`, "", "bob", false},
		"before SetUser's":            {"passport.user", `{"user":"bob"}`, "ann", "bob", false},
		"logged out there":            {"passport.user", `{}`, "ann", "", false},
		"nobody":                      {"passport.user", `null`, "ann", "", false},
		"without a key it is SetUser": {"", `{"user":"bob"}`, "ann", "ann", false},
		"an object":                   {"passport.user", `{"user":{"id":1}}`, "ann", "", true},
		"too long":                    {"passport.user", `{"user":"` + strings.Repeat("u", 256) + `"}`, "ann", "", true},
	} {
		var log bytes.Buffer
		v := newMove(t, func(o *sessions.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		v.from.UserKey = c.key
		v.next = v.manager(t)
		b := newBrowser(t, v.old)
		b.visit(func(s *sessions.Session) {
			sessions.NewKey[any]("passport").Set(s, rawJSON(c.passport))
			if c.set != "" {
				s.SetUser(c.set)
			}
		})
		b.manager = v.next
		b.visit(func(s *sessions.Session) {
			if s.User() != c.want || s.IsNew() {
				t.Errorf("%s: it is %q's, want %q", name, s.User(), c.want)
			}
		})
		if got := strings.Contains(log.String(), "UserKey"); got != c.logged {
			t.Errorf("%s: the log says %q", name, log.String())
		}
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// What can't be kept is reported, and stays in the old table.
func TestASessionThatIsUnfitStaysInItsTable(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	v := newMove(t, func(o *sessions.Options) {
		o.Logger, o.MaxBytes = slog.New(slog.NewTextHandler(&log, nil)), 1024
	})
	b := v.login(t)
	b.manager = v.old
	b.visit(func(s *sessions.Session) { name.Set(s, strings.Repeat("x", 2000)) })
	b.manager = v.next
	res := b.visit(func(s *sessions.Session) {
		if !s.IsNew() {
			t.Error("it was taken over")
		}
	})
	if res.StatusCode != http.StatusOK || count(t, v.old) != 1 || !strings.Contains(log.String(), "MaxBytes is 1024") {
		t.Errorf("%d, %d old sessions, log %q", res.StatusCode, count(t, v.old), log.String())
	}
	if r, err := takeover.Import(t.Context(), v.next, nil); r != (takeover.Report{Read: 1, Skipped: 1}) || err != nil {
		t.Errorf("import: %+v, %v", r, err)
	}
}

// A token is not replaced for its age before the browser has it: the response that brings it
// may be lost.
func TestTheOldCookieOutlivesARotationByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newMove(t, func(o *sessions.Options) { o.RotateAfter = 10 * time.Minute })
		v.from.Until = time.Now().Add(30 * 24 * time.Hour)
		v.next = v.manager(t)
		b := v.login(t)
		v.imports(t)
		time.Sleep(time.Hour)
		v.from.ImportedOnly = true
		b.manager = v.manager(t)
		cookie := b.cookies["connect.sid"]
		for range 3 { // each response is lost
			if !b.onlyOld(cookie).loggedIn() {
				t.Error("the old cookie does not work")
			}
			time.Sleep(5 * time.Minute)
		}
		b.onlyOld(cookie).loggedIn()
		first := b.cookies["session"]
		if !b.loggedIn() || b.cookies["session"] == first {
			t.Error("the new cookie was not replaced for its age")
		}
		if !b.loggedIn() {
			t.Error("the next one does not work")
		}
	})
}

// A sign-in that is not certain yet, under a limit, is no take-over that another request with
// the old cookie could finish.
func TestALimitedSignInBesideTheOldCookie(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 5} {
		for at := 1; ; at++ {
			v := newMove(t, func(o *sessions.Options) { o.MaxPerUser = limit })
			b := newBrowser(t, v.old)
			b.visit(func(s *sessions.Session) { views.Set(s, 1) })
			b.manager = v.next
			m, step := v.process(t, at, func(_ *steps, call func() error) error {
				b.tab(v.next).visit(func(*sessions.Session) {})
				return call()
			})
			tab := b.tab(m)
			res := tab.visit(func(s *sessions.Session) { s.SetUser("42") })
			in := false
			tab.visit(func(s *sessions.Session) { in = s.User() == "42" })
			if res.StatusCode != http.StatusOK || !in {
				t.Errorf("limit %d, step %d (%s): status %d, signed in %v", limit, at, step.hit, res.StatusCode, in)
			}
			if step.hit == "" {
				break
			}
		}
	}
}
