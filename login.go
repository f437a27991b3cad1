package sessions

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/internal/names"
)

// User returns whose session it is, or "" for a visitor's.
func (s *Session) User() string {
	s.lock()
	defer s.mu.Unlock()
	return s.state.user
}

// SetUser says who has authenticated: any name of up to 255 bytes by which the
// application knows the user. It gives the session a new token, so a token that was
// planted in the browser is worth nothing, and restarts [Options].Lifetime.
//
//   - From a visitor to a user: ID and values are kept, such as a cart.
//   - The same user again: ID and values are kept. This is a re-authentication; see
//     [Session.AuthenticatedWithin].
//   - From a user to another, or to "": the session ends, as by [Session.Destroy], and a
//     new one without values begins. So an ID belongs to one user at most, and one
//     user's values never become another's.
//
// If the user was revoked since the request began, the save fails with [ErrEnded], even if
// [Manager.RevokeUser] ran at the same moment, and the session ends with what is in it. It
// also does if the store can't say whether the user was revoked. For a sign-in that takes
// several requests see [Session.SetUserSince]. If [Options].RefuseOverMax stands in the
// way, the save fails with [ErrLimit].
func (s *Session) SetUser(user string) { s.SetUserSince(user, time.Time{}) }

// SetUserSince is [Session.SetUser] for a sign-in that began earlier than this request:
// when the password was checked, or the link was sent. If the user was revoked since then,
// the save fails with [ErrEnded]. It is at most 12 hours ago, or the save fails with
// [ErrTooLate]. The clocks of the machines that share in a sign-in have to agree.
func (s *Session) SetUserSince(user string, began time.Time) {
	s.lock()
	defer s.mu.Unlock()
	if !s.mayChangeLocked("SetUser") {
		return
	}
	if err := names.Check(user); err != nil {
		s.err = cmp.Or(s.err, fmt.Errorf("sessions: set user: %w", err))
		return
	}
	if s.state.user != "" && user != s.state.user {
		s.destroyLocked()
	}
	if user == "" {
		return
	}
	s.state.user = user
	s.pending.user = true
	s.pending.old = s.core.predecessor != nil
	if !began.IsZero() {
		s.pending.since = began
	}
	s.regenerateLocked(renewLogin)
}

// AuthenticatedAt returns when SetUser was last called with a user, by the store's clock,
// or by this machine's in the request that did it. It is the zero time for a visitor,
// and for a user whose session was taken over or imported.
func (s *Session) AuthenticatedAt() time.Time {
	s.lock()
	defer s.mu.Unlock()
	switch {
	case s.state.user == "":
		return time.Time{}
	case s.pending.renew == renewLogin || !s.state.stored():
		return time.Now().Round(0)
	}
	return s.state.row.AuthenticatedAt
}

// AuthenticatedWithin reports whether SetUser was called with a user less than d ago, by
// the store's clock. Ask it before what needs a recent password.
// [Manager.RequireFresh] asks it for a whole handler.
func (s *Session) AuthenticatedWithin(d time.Duration) bool {
	s.lock()
	defer s.mu.Unlock()
	switch {
	case s.state.user == "":
		return false
	case s.pending.renew == renewLogin || !s.state.stored():
		return d > 0
	}
	return !s.state.row.AuthenticatedAt.IsZero() && s.state.rowAt(time.Now()).AuthenticatedAge < d
}

// RequireFresh returns next for users who authenticated within maxAge, and stale for
// everybody else, visitors included. stale usually asks for the password and calls
// [Session.SetUser] with the same user again; if it is nil, the answer is 403. Wrap the
// result, or what it is mounted in, with Handler.
func (m *Manager) RequireFresh(maxAge time.Duration, next, stale http.Handler) http.Handler {
	if stale == nil {
		stale = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.sessionOf(r.Context())
		s.mustExist()
		s.accessed.Store(true)
		if s.AuthenticatedWithin(maxAge) {
			next.ServeHTTP(w, r)
		} else {
			stale.ServeHTTP(w, r)
		}
	})
}
