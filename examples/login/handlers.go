package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions"
)

const (
	maxNotes      = 20
	maxNoteLength = 200 // in bytes: the 50 characters that the field takes, at their widest
)

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	name := strings.ToLower(strings.TrimSpace(r.PostFormValue("name")))
	switch {
	case session.User() != "":
		// From a second tab. SetUser would end this user's session and begin another.
		flash.Set(session, notice{Error: true, Text: "You are signed in already. Log out first to change users."})
	case !s.accounts.fit(name, r.PostFormValue("password")):
		flash.Set(session, notice{Error: true, Text: "Wrong name or password."})
	default:
		// It also gives the session a new token, so that an attacker who planted the old
		// one in this browser gains nothing.
		session.SetUser(name)
		device.Set(session, deviceName(r.UserAgent()))
		if r.PostFormValue("remember") != "" {
			session.SetMaxAge(rememberFor)
			kept.Set(session, true)
		}
	}
	redirectHome(w, r)
}

// logout ends this session. What is stored afterwards, here the notice, begins
// a new one.
func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	session.Destroy()
	flash.Set(session, notice{Text: "You are logged out on this device."})
	redirectHome(w, r)
}

// logoutEverywhere ends all sessions of the user, this one included.
func (s *server) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	ended, err := s.manager.RevokeUser(r.Context(), session.User())
	if err != nil {
		failed(w, r, err)
		return
	}
	// This session has ended too; the notice begins a new one.
	flash.Set(session, notice{Text: "You are logged out everywhere: " + count(ended, "session") + " ended."})
	redirectHome(w, r)
}

// logoutOthers ends all sessions of the user but this one.
func (s *server) logoutOthers(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	ended, err := s.manager.RevokeUser(r.Context(), session.User(), session.ID())
	if err != nil {
		failed(w, r, err)
		return
	}
	flash.Set(session, notice{Text: count(ended, "other session") + " ended. You stay signed in here."})
	redirectHome(w, r)
}

// endSession ends one other session of the same user. An ID is no secret, and
// the form may send any: Revoke ends only sessions of this user.
func (s *server) endSession(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	id := sessions.ID(r.PostFormValue("id"))
	err := sessions.ErrNotFound
	if id != session.ID() { // this session has another button
		err = s.manager.Revoke(r.Context(), session.User(), id)
	}
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		flash.Set(session, notice{Error: true, Text: "That session is not one of your others, or it has already ended."})
	case err != nil:
		failed(w, r, err)
		return
	default:
		flash.Set(session, notice{Text: "That device is logged out."})
	}
	redirectHome(w, r)
}

// addNote. Update, not Get and Set: two tabs that add a note at the same moment
// both keep theirs.
func (s *server) addNote(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	text := strings.TrimSpace(strings.ToValidUTF8(r.PostFormValue("text"), "\uFFFD"))
	switch {
	case text == "":
		flash.Set(session, notice{Error: true, Text: "Write something first."})
	case len(text) > maxNoteLength:
		flash.Set(session, notice{Error: true, Text: "That note is too long."})
	default:
		added := note{ID: rand.Text(), Text: text} // not inside, because Update may call its function twice
		notes.Update(session, func(all []note) []note {
			all = append(all, added)
			return all[max(0, len(all)-maxNotes):]
		})
	}
	redirectHome(w, r)
}

func (s *server) deleteNote(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("id")
	notes.Update(sessions.FromContext(r.Context()), func(all []note) []note {
		return slices.DeleteFunc(all, func(n note) bool { return n.ID == id })
	})
	redirectHome(w, r)
}
