package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
)

// fresh is how recent a password must be before it can be changed.
const fresh = 5 * time.Minute

var users = []string{"alice", "bob", "carol"}

// accounts keep passwords until the program ends. A real application has a table of users,
// with slow hashes (bcrypt, argon2id), and limits how often a client may guess.
type accounts struct {
	mu        sync.Mutex
	passwords map[string][sha256.Size]byte
}

func newAccounts() *accounts {
	a := &accounts{passwords: map[string][sha256.Size]byte{}}
	for _, name := range users {
		a.set(name, "demo")
	}
	return a
}

// fit takes the same time for every password.
func (a *accounts) fit(name, password string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := sha256.Sum256([]byte(password))
	want, known := a.passwords[name]
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && known
}

func (a *accounts) set(name, password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.passwords[name] = sha256.Sum256([]byte(password))
}

// passwordPage asks for the present password, to confirm who is there, or for a new one.
type passwordPage struct {
	Notice  *notice
	User    string
	Confirm bool
	Fresh   time.Duration
}

func (s *server) askPassword(w http.ResponseWriter, r *http.Request, confirm bool) {
	session := sessions.FromContext(r.Context())
	page := passwordPage{User: session.User(), Confirm: confirm, Fresh: fresh}
	if said, ok := flash.Pop(session); ok {
		page.Notice = &said
	}
	render(w, http.StatusOK, "password", page)
}

func (s *server) newPassword(w http.ResponseWriter, r *http.Request) { s.askPassword(w, r, false) }

// stale answers in place of what needs a recent password.
func (s *server) stale(w http.ResponseWriter, r *http.Request) { s.askPassword(w, r, true) }

// confirm signs the same user in again: AuthenticatedWithin and RequireFresh count from now.
func (s *server) confirm(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	if s.accounts.fit(session.User(), r.PostFormValue("password")) {
		session.SetUser(session.User())
	} else {
		flash.Set(session, notice{Error: true, Text: "Wrong password."})
	}
	http.Redirect(w, r, "/password", http.StatusSeeOther)
}

// changePassword. The order matters: first the new password is stored, so that the old one
// signs in no one from then on, and then the sessions end that it had signed in. A
// sign-in that runs at this moment, and has checked the old one, fails.
func (s *server) changePassword(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	user, password := session.User(), r.PostFormValue("new")
	if len(password) < 8 {
		flash.Set(session, notice{Error: true, Text: "Use at least 8 characters."})
		http.Redirect(w, r, "/password", http.StatusSeeOther)
		return
	}
	s.accounts.set(user, password)
	ended, err := s.manager.RevokeUser(r.Context(), user, session.ID())
	if err != nil {
		failed(w, r, err)
		return
	}
	session.SetUser(user) // a new token: a copy of this browser's cookie is worth nothing now
	flash.Set(session, notice{Text: "Your password is changed. " + count(ended, "other session") + " ended."})
	redirectHome(w, r)
}
