package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLogin(t *testing.T) {
	b := newApp(t).browser(t)
	b.post("/notes", "text", "from before the sign-in")
	before := b.cookie()

	page := b.login("alice")
	contains(t, page, "from before the sign-in")
	contains(t, page, "Firefox on Linux")
	contains(t, page, "No, until the browser closes")
	if b.cookie() == before {
		t.Fatal("the cookie from before the login still works")
	}
}

// A visitor who only looks, or whose pages are loaded by a robot, costs no row. What is done
// with a POST may.
func TestLookingWritesNothing(t *testing.T) {
	a := newApp(t)
	rows := func(what string, want int) {
		t.Helper()
		var n int
		if err := a.db.pool.QueryRowContext(t.Context(), "SELECT count(*) FROM sessions").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("%s: %d rows, want %d", what, n, want)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, path := range []string{"/", "/password", "/static/style.css", "/nowhere", "/login"} {
			for range 10 {
				r, err := http.NewRequestWithContext(t.Context(), method, a.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				a.browser(t).do(r)
			}
			rows(method+" "+path, 0)
		}
	}
	b := a.browser(t)
	b.post("/notes", "text", "mine")
	rows("a note", 1)
	version := func() (v int64) {
		if err := a.db.pool.QueryRowContext(t.Context(), "SELECT version FROM sessions").Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := version()
	b.home()
	b.home()
	if version() != before {
		t.Error("the row is written when its visitor only looks")
	}
}

func TestRememberMe(t *testing.T) {
	b := newApp(t).browser(t)
	page := b.post("/login", "name", " Alice ", "password", "demo", "remember", "yes")
	contains(t, page, "Yes, for 30 days")
	contains(t, page, "in 30 days</time> if unused")
}

func TestWrongPassword(t *testing.T) {
	for _, tt := range []struct{ name, user, password string }{
		{"wrong password", "alice", "Demo"},
		{"no password", "alice", ""},
		{"unknown user", "mallory", "demo"},
		{"no user", "", "demo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newApp(t).browser(t)
			const message = "Wrong name or password."
			contains(t, b.post("/login", "name", tt.user, "password", tt.password), message)
			page := b.home()
			lacks(t, page, message) // said once
			lacks(t, page, "Hello, ")
		})
	}
}

func TestSecondLoginDoesNotInheritData(t *testing.T) {
	b := newApp(t).browser(t)
	b.login("alice")
	page := b.post("/login", "name", "bob", "password", "demo")
	contains(t, page, "You are signed in already.")
	contains(t, page, "Hello, Alice")
}

func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	first := startApp(t, path)
	b := first.browser(t)
	b.login("alice")
	b.post("/notes", "text", "from before the restart")
	first.close()

	b.app = startApp(t, path) // a cookie jar does not look at the port
	page := b.home()
	contains(t, page, "Hello, Alice")
	contains(t, page, "from before the restart")
}

func TestLogoutHere(t *testing.T) {
	a := newApp(t)
	here, there := a.browser(t), a.browser(t)
	here.login("alice")
	there.login("alice")
	page := here.post("/logout")
	contains(t, page, "You are logged out on this device.")
	here.isSignedIn(false)
	there.isSignedIn(true)
}

func TestLogoutEverywhere(t *testing.T) {
	a := newApp(t)
	here, there, bob := a.browser(t), a.browser(t), a.browser(t)
	here.login("alice")
	there.login("alice")
	bob.login("bob")
	contains(t, here.post("/logout/everywhere"), "2 sessions ended.")
	here.isSignedIn(false)
	contains(t, there.post("/logout/others"), "signed out because you logged out everywhere") // on its next request
	there.isSignedIn(false)
	bob.isSignedIn(true)
}

func TestLogoutOthers(t *testing.T) {
	a := newApp(t)
	here, there := a.browser(t), a.browser(t)
	here.login("alice")
	there.login("alice")
	contains(t, here.post("/logout/others"), "1 other session ended.")
	here.isSignedIn(true)
	there.isSignedIn(false)
}

func TestEndOtherSession(t *testing.T) {
	a := newApp(t)
	here, there := a.browser(t), a.browser(t)
	here.login("alice")
	there.login("alice")
	id := there.id()
	contains(t, here.home(), `value="`+id+`"`)
	contains(t, here.post("/sessions/end", "id", id), "That device is logged out.")
	contains(t, there.home(), "signed out because you ended this session from another device.")
	contains(t, here.post("/sessions/end", "id", id), "it has already ended.")
	here.isSignedIn(true)
}

func TestEndSessionRefused(t *testing.T) {
	a := newApp(t)
	alice, bob := a.browser(t), a.browser(t)
	alice.login("alice")
	bob.login("bob")
	for _, id := range []string{bob.id(), alice.id(), "", "no ID"} {
		contains(t, alice.post("/sessions/end", "id", id), "That session is not one of your others")
	}
	bob.isSignedIn(true)
	alice.isSignedIn(true)

	visitor := a.browser(t)
	contains(t, visitor.post("/sessions/end", "id", bob.id()), "You are signed out on this device.")
	bob.isSignedIn(true)
}

func TestCrossSitePost(t *testing.T) {
	b := newApp(t).browser(t)
	b.login("alice")
	b.post("/notes", "text", "mine")
	before := b.cookie()
	for _, path := range []string{"/logout", "/logout/everywhere", "/notes", "/login"} {
		status, page := b.postFrom("cross-site", path, "text", "theirs", "name", "bob", "password", "demo")
		if status != http.StatusForbidden {
			t.Errorf("POST %s: status %d, want 403", path, status)
		}
		contains(t, page, "This request came from another site")
	}
	page := b.home()
	contains(t, page, "Hello, Alice")
	contains(t, page, "mine")
	lacks(t, page, "theirs")
	if b.cookie() != before {
		t.Error("a refused request changed the cookie")
	}
}

func TestNotes(t *testing.T) {
	b := newApp(t).browser(t)
	page := b.post("/notes", "text", `<script>alert("1")</script>`)
	contains(t, page, "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;")
	lacks(t, page, "<script")
	contains(t, b.post("/notes", "text", "broken \xff text"), "broken \uFFFD text")
	contains(t, b.post("/notes", "text", strings.Repeat("n", maxNoteLength+1)), "That note is too long.")
	contains(t, b.post("/notes", "text", " "), "Write something first.")
	contains(t, b.login("alice"), "broken") // they survive the login

	_, rest, _ := strings.Cut(b.home(), `name="id" value="`)
	id, _, _ := strings.Cut(rest, `"`)
	page = b.post("/notes/delete", "id", id)
	lacks(t, page, "alert")
	contains(t, page, "broken")
}

// Tabs that save at the same time lose nothing of each other.
func TestParallelTabs(t *testing.T) {
	b := newApp(t).browser(t)
	b.login("alice")
	tabs := []string{"note A", "note B", "note C", "note D", "note E", "note F"}
	var running sync.WaitGroup
	for _, text := range tabs {
		running.Go(func() {
			status, _ := b.postFrom("same-origin", "/notes", "text", text)
			if status != http.StatusOK {
				t.Errorf("%s: status %d", text, status)
			}
		})
	}
	running.Wait()
	page := b.home()
	for _, text := range tabs {
		contains(t, page, "<span>"+text+"</span>")
	}
}
