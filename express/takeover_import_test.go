package express_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/takeover"
)

// A session that is in use here keeps to the timeouts of here.
func TestImportLeavesSessionsInUseAlone(t *testing.T) {
	t.Parallel()
	v := newMove(t, func(o *sessions.Options) { o.IdleTimeout, o.Lifetime = time.Minute, 30*24*time.Hour })
	b := v.login(t)
	b.manager = v.old
	b.visit(func(s *sessions.Session) { s.SetMaxAge(14 * 24 * time.Hour) })
	if _, err := takeover.Import(t.Context(), v.next, nil); err != nil {
		t.Fatal(err)
	}
	v.from.ImportedOnly = true
	v.next = v.manager(t)
	b.manager = v.next
	b.visit(func(s *sessions.Session) { s.SetMaxAge(0); s.SetUser("42") })
	got, err := takeover.Import(t.Context(), v.next, nil)
	if want := (takeover.Report{Read: 1, Unchanged: 1}); got != want || err != nil {
		t.Errorf("import: %+v, %v, want %+v", got, err, want)
	}
	for s, err := range v.next.SessionsOf(t.Context(), "42") {
		if left := time.Until(s.ExpiresAt()); err != nil || left > time.Minute {
			t.Errorf("the session lives for %v, %v", left, err)
		}
	}
}

// A copy does not expire while the old cookie means something, because it could not be
// brought up to date any more. It opens a session for as long as its original would live.
func TestCopiesLiveAsLongAsTheirOriginals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newMove(t)
		v.from.Until = time.Now().Add(30 * 24 * time.Hour)
		v.next = v.manager(t)
		b := v.login(t)
		v.imports(t)
		b.manager = v.old
		for range 4 { // the old application goes on
			time.Sleep(7 * time.Hour)
			b.visit(touch)
		}
		if tab := b.tab(v.next); !tab.loggedIn() {
			t.Error("whose copy is older than the session may be is logged out")
		}

		b, lost := v.login(t), v.login(t)
		v.imports(t)
		b.manager = v.old
		time.Sleep(20 * time.Hour)
		b.visit(touch)
		if r := v.imports(t); r.Unchanged != 2 {
			t.Errorf("import: %+v", r)
		}
		time.Sleep(5 * time.Hour)
		v.from.ImportedOnly = true
		v.next = v.manager(t)
		if lost.manager = v.next; lost.loggedIn() {
			t.Error("a copy whose original has expired opens a session")
		}
		n := 0
		for range v.next.SessionsOf(t.Context(), "42") {
			n++
		}
		if b.manager = v.next; !b.loggedIn() || n != 1 { // the one that was taken over has expired
			t.Errorf("logged in %v, %d sessions are listed, want 1", b.loggedIn(), n)
		}
	})
}

func TestImport(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	users := make([]*browser, 1200) // more than two pages
	for i := range users {
		users[i] = v.login(t)
	}
	pages := 0
	run := func(want takeover.Report) {
		t.Helper()
		got, err := takeover.Import(t.Context(), v.next, func(takeover.Report) { pages++ })
		if err != nil || got != want || !got.Verified() {
			t.Errorf("import: %+v, %v, want %+v", got, err, want)
		}
	}
	run(takeover.Report{Read: 1200, Copied: 1200})
	if pages != 4 || count(t, v.old) != 1200 || count(t, v.next) != 0 {
		t.Errorf("%d pages, %d sessions there, %d here", pages, count(t, v.old), count(t, v.next))
	}
	run(takeover.Report{Read: 1200, Unchanged: 1200})

	// The old application goes on: one session changes and one ends.
	changed, ended, moved := users[0], users[1], users[2]
	changed.manager, ended.manager = v.old, v.old
	changed.visit(func(s *sessions.Session) { views.Set(s, 7) })
	left := ended.cookies["connect.sid"]
	ended.visit(func(s *sessions.Session) { s.Destroy() })
	ended.manager, ended.cookies = v.next, map[string]string{"connect.sid": left}
	if got := value(ended, views); got != 0 {
		t.Error("a copy counts although its original has ended")
	}
	if got := value(moved, views); got != 1 { // and one moves over
		t.Errorf("a session that was copied and then taken over: views is %d", got)
	}
	run(takeover.Report{Read: 1198, Updated: 1, Unchanged: 1197, Removed: 1})

	v.from.ImportedOnly = true
	v.next = v.manager(t)
	v.oldStore.taken()
	for i, b := range users {
		b.manager = v.next
		want := 1
		switch i {
		case 0:
			want = 7
		case 1:
			want = 0
		}
		if got := value(b, views); got != want {
			t.Errorf("user %d: views is %d, want %d", i, got, want)
		}
	}
	if asked := v.oldStore.taken(); len(asked) > 0 {
		t.Errorf("the old table was asked: %v", asked)
	}
	if n := count(t, v.next); n != 1199 {
		t.Errorf("%d sessions here, want 1199", n)
	}
	// What is in use is no copy any more.
	if _, err := v.old.RevokeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(takeover.Report{})
	if n := count(t, v.next); n != 1199 {
		t.Errorf("%d sessions here after another import, want 1199", n)
	}
}

// Another UserKey makes copies other users', and an import afterwards says so.
func TestImportAfterAChangeOfUserKey(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	v.login(t)
	v.from.UserKey = ""
	v.next = v.manager(t)
	if r, err := takeover.Import(t.Context(), v.next, nil); r != (takeover.Report{Read: 1, Copied: 1}) || err != nil {
		t.Errorf("without UserKey: %+v, %v", r, err)
	}
	v.from.UserKey = "passport.user"
	v.next = v.manager(t)
	for _, want := range []takeover.Report{{Read: 1, Updated: 1}, {Read: 1, Unchanged: 1}} {
		if r, err := takeover.Import(t.Context(), v.next, nil); r != want || err != nil {
			t.Errorf("with UserKey: %+v, %v, want %+v", r, err, want)
		}
	}
	rows, err := v.store.List(t.Context(), driver.ListRequest{All: true, Limit: 10})
	if len(rows) != 1 || rows[0].User == "" || err != nil {
		t.Errorf("the copies are %+v, %v", rows, err)
	}
}

func TestImportNeedsAManagerThatTakesOver(t *testing.T) {
	t.Parallel()
	v := newMove(t)
	unpaged := v.from
	unpaged.Manager = newManager(t, newSpy()) // a store that can't be read in pages
	m, err := takeover.New(v.store, v.options, unpaged)
	if err != nil {
		t.Fatal(err)
	}
	for what, m := range map[string]*sessions.Manager{"Express's": v.old, "one that can't page": m} {
		if _, err := takeover.Import(t.Context(), m, nil); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A revocation is known for as long as old cookies are accepted, also if a manager that does not
// know of them revokes the user again.
func TestRevocationsAreKnownUntilTheEndOfTheTakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newMove(t)
		v.from.Until = time.Now().Add(30 * 24 * time.Hour)
		v.next = v.manager(t)
		b := v.login(t)
		tool, err := sessions.New(v.store, v.options)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*sessions.Manager{v.next, tool} {
			if _, err := m.RevokeUser(t.Context(), "42"); err != nil {
				t.Fatal(err)
			}
		}
		b.manager = v.old
		for range 29 { // the old application does not know of it
			time.Sleep(23 * time.Hour)
			b.visit(touch)
		}
		if value(b, views) != 1 {
			t.Fatal("the old session has expired")
		}
		if b.manager = v.next; b.loggedIn() {
			t.Error("a session of a user who was revoked was taken over")
		}
	})
}
