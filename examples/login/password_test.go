package main

import (
	"net/http"
	"testing"
)

// get returns a page other than the start page.
func (b *browser) get(path string) string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.app.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	_, page := b.do(r)
	return page
}

// later makes all sign-ins an hour older.
func (a *app) later(t *testing.T) {
	t.Helper()
	if _, err := a.db.pool.ExecContext(t.Context(), "UPDATE sessions SET authenticated_at = authenticated_at - 3600000"); err != nil {
		t.Fatal(err)
	}
}

func TestChangePassword(t *testing.T) {
	a := newApp(t)
	here, there, bob := a.browser(t), a.browser(t), a.browser(t)
	here.login("alice")
	there.login("alice")
	bob.login("bob")
	contains(t, here.get("/password"), "Change your password")
	contains(t, here.post("/password", "new", "short"), "Use at least 8 characters.")
	before := here.cookie()
	page := here.post("/password", "new", "correct horse")
	contains(t, page, "Your password is changed. 1 other session ended.")
	contains(t, page, "Hello, Alice")
	if here.cookie() == before {
		t.Error("the cookie from before the change still works")
	}
	contains(t, there.home(), "signed out because you logged out everywhere, or changed your password.")
	contains(t, there.post("/login", "name", "alice", "password", "demo"), "Wrong name or password.")
	contains(t, there.post("/login", "name", "alice", "password", "correct horse"), "Hello, Alice")
	here.isSignedIn(true)
	bob.isSignedIn(true)
}

// Who sits down at a browser that was left open can't change the password.
func TestConfirmPassword(t *testing.T) {
	a := newApp(t)
	b := a.browser(t)
	b.login("alice")
	b.post("/notes", "text", "kept")
	a.later(t)
	contains(t, b.get("/password"), "Confirm that it is you")
	contains(t, b.post("/password", "new", "correct horse"), "Confirm that it is you")
	contains(t, b.post("/confirm", "password", "correct horse"), "Wrong password.")
	contains(t, b.get("/password"), "Confirm that it is you")
	before, id := b.cookie(), b.id()
	contains(t, b.post("/confirm", "password", "demo"), "Change your password")
	if b.cookie() == before || b.id() != id {
		t.Error("a new sign-in of the same user has the same cookie, or another session")
	}
	contains(t, b.home(), "kept")
	contains(t, b.post("/password", "new", "correct horse"), "Your password is changed.")
	contains(t, a.browser(t).get("/password"), "Sign in to continue.")
}

// A sign-in beyond the limit ends the oldest session, which is told why.
func TestTooManyDevices(t *testing.T) {
	a := newApp(t)
	first := a.browser(t)
	first.login("alice")
	for range maxPerUser {
		a.browser(t).login("alice")
	}
	page := first.home()
	contains(t, page, "signed out because you signed in on more than 3 devices.")
	contains(t, first.home(), "signed out because") // a page that is only looked at stores nothing
	first.post("/notes", "text", "a new session")
	lacks(t, first.home(), "signed out because")
}
