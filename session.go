package sessions

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/wire"
)

// maxUserLength bounds a user's name in bytes: what a MySQL index holds.
const maxUserLength = 255

// An ID is a session's public name, a UUID in canonical text. It never changes
// and is of no use as a cookie, so it may be shown, logged and sent in a form.
// Convert what a client sends: sessions.ID(r.PostFormValue("id")).
type ID = driver.ID

// A Session is what one request sees of a session. Values are read and changed
// through a [Key]. Changes are saved before the first byte of the response leaves,
// and again at the end of the handler for those made later. It is safe for concurrent
// use by the goroutines of one request. Do not use it once the handler has returned.
// Printing it shows its ID and nothing else.
type Session struct {
	core     *core
	request  *http.Request // nil for a session that was not loaded for one
	outer    *Session      // of another manager, around this one
	accessed atomic.Bool   // the response depends on the cookie

	saving sync.Mutex // held while the store is written; taken before mu

	mu         sync.Mutex
	state      state
	pending    changes
	fate       fate
	generation int   // counts the changes
	reported   int   // the generation that Save reported an error for, plus 1
	err        error // the first value that could not be kept
	unreadable error // why the row must not be overwritten, if it can't be read
}

// lock is called first by every exported method.
func (s *Session) lock() {
	s.mustExist()
	s.mu.Lock()
}

// mustExist says more than a nil pointer would, when FromContext found no session.
func (s *Session) mustExist() {
	if s == nil {
		panic("sessions: no session in this context: wrap the handler in Manager.Handler, " +
			"see that Options.Skip does not leave this request out, and pass on r.Context()")
	}
}

// Format prints the ID and nothing else, for every verb.
func (s *Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sessions.Session(%s)", s.ID())
}

func (s *Session) recordLocked(o op) {
	now, ops, changed := record(s.state.now, s.pending.ops, o)
	if changed {
		s.state.now, s.pending.ops = now, ops
		s.generation++
	}
}

// freshLocked returns what a session begins with.
func (s *Session) freshLocked() contents {
	now, err := s.core.fresh(s.request)
	s.err = cmp.Or(s.err, err)
	return now
}

// Err returns the first error that a change met, such as a value that JSON can't
// hold. While there is one, nothing of the request is saved, and the request is
// answered by [Options].ErrorHandler.
func (s *Session) Err() error {
	s.lock()
	defer s.mu.Unlock()
	return s.err
}

// ID returns the session's public name. It never changes and is no secret. A new
// session has one already. After Destroy it is the next session's. (Under package
// express it is derived from the session ID of Express, so a new one changes it.)
func (s *Session) ID() ID {
	s.lock()
	defer s.mu.Unlock()
	_ = s.nameLocked() // under package express it can fail; the save tries again
	return s.state.id
}

// nameLocked makes sure that the session has an ID, and a new one the token for it.
func (s *Session) nameLocked() error {
	if s.state.id != "" {
		return nil
	}
	token, err := s.core.protocol.NewToken(s.request, "")
	if err == nil {
		s.state.token, s.state.id = token, s.core.protocol.Ref(token).ID
	}
	return err
}

// IsNew reports whether the store holds nothing of this session yet.
func (s *Session) IsNew() bool {
	s.lock()
	defer s.mu.Unlock()
	return !s.state.stored()
}

// CreatedAt returns when the session began, by the store's clock, or by this
// machine's in the request that creates it. Like all times of a session it is for
// display; the store decides by its own.
func (s *Session) CreatedAt() time.Time {
	s.lock()
	defer s.mu.Unlock()
	if !s.state.stored() {
		return time.Now().Round(0)
	}
	return s.state.row.CreatedAt
}

// AuthenticatedAt returns when SetUser last signed a user in, by the store's clock,
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

// ExpiresAt returns when the session ends if it is not used again.
func (s *Session) ExpiresAt() time.Time {
	s.lock()
	defer s.mu.Unlock()
	left := s.state.row.ExpiresIn
	if !s.state.stored() {
		left = min(s.state.now.cookie.Idle(), s.core.policy.lifetime)
	}
	return time.Now().Add(left).Round(0) // without the monotonic clock, for display
}

// User returns whose session it is, or "" for a visitor's.
func (s *Session) User() string {
	s.lock()
	defer s.mu.Unlock()
	return s.state.user
}

// SetUser says who has signed in: any name of up to 255 bytes by which the
// application knows the user, so that the session can be listed and revoked. "" makes
// it a visitor's. When the user changes, the session gets a new token, as by
// [Session.Regenerate], so a token that was planted in the browser is worth nothing.
// Signing in restarts [Options].Lifetime. The values are kept: call [Session.Destroy]
// first if one user's values must not become another's.
func (s *Session) SetUser(user string) {
	s.lock()
	defer s.mu.Unlock()
	if err := checkUser(user); err != nil {
		s.err = cmp.Or(s.err, fmt.Errorf("sessions: set user: %w", err))
		return
	}
	if user == s.state.user {
		return
	}
	s.state.user = user
	s.pending.user = true
	if user == "" {
		s.regenerateLocked(renewToken)
	} else {
		s.regenerateLocked(renewLogin)
	}
}

func checkUser(user string) error {
	if len(user) > maxUserLength || !utf8.ValidString(user) || strings.ContainsRune(user, 0) {
		return fmt.Errorf("%w: use at most %d bytes of UTF-8 without NUL", ErrValue, maxUserLength)
	}
	return nil
}

// SetMaxAge makes the browser keep the cookie for d, in whole seconds and at most
// 400 days, counted from each time that the idle timeout moves: "remember me". An
// unused session lives that long too, within [Options].Lifetime. Zero or less means
// until the browser is closed.
func (s *Session) SetMaxAge(d time.Duration) {
	s.lock()
	defer s.mu.Unlock()
	old := s.state.now.cookie
	if a := old.WithMaxAge(d); a.MaxAge() != old.MaxAge() {
		s.recordLocked(setCookie(a))
	}
}

// Keys returns the names that have a value, in the order they were first set.
func (s *Session) Keys() []string {
	s.lock()
	defer s.mu.Unlock()
	return s.state.now.doc.Names()
}

// Clear deletes all values. User and cookie stay.
func (s *Session) Clear() {
	s.lock()
	defer s.mu.Unlock()
	s.recordLocked(op{kind: opClear})
}

// Regenerate gives the session a new token and keeps everything else. The old
// token is dead from the moment the new one works. Call it when privileges change;
// [Session.SetUser] does it by itself.
func (s *Session) Regenerate() {
	s.lock()
	defer s.mu.Unlock()
	s.regenerateLocked(renewToken)
}

func (s *Session) regenerateLocked(how renewal) {
	s.generation++
	s.pending.renew = max(s.pending.renew, how) // a new session has a new token anyway
}

// Destroy ends the session, even if another request has just given it a new token.
// The browser is told to drop the cookie, and no request that still runs brings the
// session back. What is stored afterwards begins a new session, with another ID.
func (s *Session) Destroy() {
	s.lock()
	defer s.mu.Unlock()
	drop, was := s.pending.drop, wire.Attributes(nil)
	if s.state.stored() {
		drop, was = s.state.row.Ref, s.state.base.cookie
	}
	s.pending = changes{drop: drop, destroyed: true}
	s.fate.destroy(was)
	s.generation++
	s.err, s.unreadable = nil, nil
	s.state = state{now: s.freshLocked()}
}
