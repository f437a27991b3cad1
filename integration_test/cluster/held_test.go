package cluster_test

import (
	"net/http"
	"testing"
)

// Held requests have loaded their session before a server is killed, and save
// it afterwards.
type held struct {
	cookie  string // the session of a user who wants to log out, and changes it
	apps    []*app
	answers chan heldAnswer
}

type heldAnswer struct {
	answer
	app          *app
	path, cookie string // what was asked for, and with which cookie
}

const heldLogout = "/logout?hold=1"

var heldPaths = []string{"/count?hold=1", heldLogout, "/login?u=other&hold=1"}

// hold begins such requests on each application, with a session and without.
func hold(t testing.TB, apps ...*app) *held {
	t.Helper()
	h := &held{cookie: apps[0].ok(t, "/login?u=held", "").cookie, apps: apps, answers: make(chan heldAnswer)}
	for _, a := range apps {
		for _, path := range heldPaths {
			for _, cookie := range []string{h.cookie, ""} {
				go func() { h.answers <- heldAnswer{a.get(t, path, cookie), a, path, cookie} }()
				<-a.arrived
			}
		}
	}
	return h
}

// fail lets the requests go on while no server can save for them.
func (h *held) fail(t testing.TB) {
	t.Helper()
	for _, a := range h.apps {
		close(a.release)
	}
	for range h.apps {
		for range 2 * len(heldPaths) {
			got := <-h.answers
			if got.path == heldLogout && got.cookie == "" {
				continue // there was nothing to do
			}
			if got.status != http.StatusServiceUnavailable || got.set {
				t.Errorf("%s: %s while no server takes it: %d, Set-Cookie %v", got.app.name, got.path, got.status, got.set)
			}
		}
	}
}

// unchanged makes sure that nothing of them happened.
func (h *held) unchanged(t testing.TB, apps ...*app) {
	t.Helper()
	for _, a := range apps {
		user, n := a.ok(t, "/user", h.cookie).body, a.ok(t, "/counter", h.cookie).body
		if user != "held" || n != "0" {
			t.Errorf("%s: after requests that got 503 the user is %q and the counter %s", a.name, user, n)
		}
	}
}
