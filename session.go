package sessions

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// maxUserLength bounds a user's name in bytes: what a MySQL index holds.
const maxUserLength = 255

// A Session is what one request sees of a session. Values are read and changed
// through a [Key]; changes are saved before the first byte of the response
// leaves, or by [Session.Save]. It is safe for concurrent use by the goroutines
// of one request, and useless once the handler has returned.
type Session struct {
	manager  *Manager
	request  *http.Request // nil for a session that was not loaded for one
	accessed atomic.Bool   // the response depends on the cookie

	saving sync.Mutex // held while the store is written; taken before mu

	mu         sync.Mutex
	state      state
	pending    changes
	generation int   // counts the changes
	told       int   // the generation after the one that Save reported an error for
	err        error // the first value that could not be kept
	unreadable error // why the row must not be overwritten, if it can't be read

	cookie     cookiePath
	secure     bool // the cookie has the attribute Secure
	presented  bool // the request carried a cookie of our name
	newCookie  bool // the browser does not have the token yet
	sameCookie bool // it should get the cookie of its token again, if the session still has that
	confirmed  bool // it had, when the row was last written
	dropCookie bool
	dropped    json.RawMessage // the attributes of the cookie that dropCookie is about, if it is a session's
	inherited  bool            // it came with a predecessor's cookie, which has to go
}

func (s *Session) peek(name string) (json.RawMessage, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, _ := s.state.now.get(name)
	return raw, s.generation
}

func (s *Session) set(name string, raw json.RawMessage) {
	if err := s.manager.protocol.Check(name); err != nil {
		s.refuse(name, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(op{kind: opSet, name: name, raw: raw})
}

// freshLocked returns what a session begins with.
func (s *Session) freshLocked() document {
	d, err := s.manager.fresh(s.request)
	s.err = cmp.Or(s.err, err)
	return d
}

func (s *Session) delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(op{kind: opDelete, name: name})
}

func (s *Session) refuse(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = fmt.Errorf("sessions: set %q: %w", name, err)
	}
}

// Err returns the first error that a change of this request met, such as a
// value that JSON can't hold. With such an error nothing of the request is saved.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// ID returns the session's public name, by which it can be listed and revoked. It
// never changes and is no secret. A new session has one already. After Destroy it
// is the next session's. (Under package express it follows from the session ID of
// Express, so that a new one changes it.)
func (s *Session) ID() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.nameLocked() // under package express it can fail, and is tried again with the save
	return s.state.id
}

// nameLocked makes sure that the session has an ID, and a new one the token for it.
func (s *Session) nameLocked() error {
	if s.state.id != "" {
		return nil
	}
	token, err := s.manager.protocol.NewToken(s.request, "")
	if err == nil {
		s.state.token, s.state.id = token, s.manager.protocol.Ref(token).ID
	}
	return err
}

// IsNew reports whether the store holds nothing of this session yet.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.state.stored()
}

// CreatedAt returns when the session began, by the store's clock, or by this
// machine's in the request that makes it. It is for display.
func (s *Session) CreatedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.state.stored() {
		return time.Now()
	}
	return s.state.row.CreatedAt
}

// AuthenticatedAt returns when SetUser last changed the user to somebody, by the
// store's clock, or by this machine's in the request that did it. It is the zero time
// for a visitor, and for a user who came with a session that was taken over or imported.
// It is for display.
func (s *Session) AuthenticatedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state.user == "":
		return time.Time{}
	case s.pending.renew == renewLogin || !s.state.stored():
		return time.Now()
	}
	return s.state.row.AuthenticatedAt
}

// ExpiresAt returns when the session will end if nobody uses it again. It is
// for display: the store decides.
func (s *Session) ExpiresAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.state.row.ExpiresIn
	if !s.state.stored() {
		left = min(s.manager.idle(s.state.now), s.manager.lifetime())
	}
	return time.Now().Add(left)
}

// User returns whose session it is, or "".
func (s *Session) User() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.user
}

// SetUser says whose session it is, by any name of up to 255 bytes that the
// application knows the user by, so that it can be listed and revoked. "" makes it
// nobody's. A session that changes hands gets a new token, as with
// [Session.Regenerate], so a token that was planted in the browser is worth
// nothing. Signing in restarts [Options.Lifetime]. The values stay: call
// [Session.Destroy] first where one user's must not become another's.
func (s *Session) SetUser(user string) {
	s.mu.Lock()
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

// Keys returns the names that have a value, in the order they were first set.
func (s *Session) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, m := range s.state.now {
		if !m.reserved() {
			names = append(names, string(m.name))
		}
	}
	return names
}

// Clear deletes all values. The user and the cookie stay.
func (s *Session) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(op{kind: opClear})
}

// Regenerate gives the session a new token and keeps everything else. The old
// token is dead from the moment the new one works. Call it when privileges
// change; [Session.SetUser] does when the user does.
func (s *Session) Regenerate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.regenerateLocked(renewToken)
}

func (s *Session) regenerateLocked(how renewal) {
	s.generation++
	s.pending.renew = max(s.pending.renew, how) // a create takes no notice of it
}

// Destroy ends the session, even if another request has just given it a new
// token: its row goes, the browser is told to drop the cookie, and no request
// that still runs brings it back. What the handler stores afterwards begins a new
// session, with another ID.
func (s *Session) Destroy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	drop := s.pending.drop
	if s.state.stored() {
		drop = s.state.row.Ref
		s.dropped, _ = s.state.base.get(cookieMember)
	}
	s.pending = changes{drop: drop, destroyed: true}
	s.newCookie, s.sameCookie, s.dropCookie = false, false, s.presented
	s.generation++
	s.err, s.unreadable = nil, nil
	s.state = state{now: s.freshLocked()}
}

// Touch moves the idle timeout forward with this request, even when
// [Options.TouchInterval] has not passed.
func (s *Session) Touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.touch = true
	s.generation++
}

// Save saves now what the request changed so far, for handlers that go on for
// long after the response began. All others need not call it. Errors wrap those of
// this package; [ErrTooLate] says that the session would need a cookie that
// can't be sent any more, and then nothing is saved. It goes on when ctx is
// cancelled, for [Options.Timeout] at the most.
func (s *Session) Save(ctx context.Context) error {
	err := s.save(ctx)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = s.generation + 1
	}
	return err
}

// Reload forgets what the request changed since the last save and reads the
// session anew. The error wraps [ErrEnded] when it is gone; then nothing is
// forgotten. A new session becomes empty, and a Destroy stands. It takes as long as ctx lets it.
func (s *Session) Reload(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	old := s.state
	s.mu.Unlock()
	var fresh state
	if !old.stored() {
		now, err := s.manager.fresh(s.request)
		if err != nil {
			return err
		}
		fresh.now, fresh.token, fresh.id = now, old.token, old.id
	} else {
		var err error
		if fresh, err = s.manager.load(ctx, old.row.Ref); err != nil {
			return s.manager.storeError("reload", err)
		}
		fresh.token = old.token
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old.stored() && s.pending.destroyed { // meanwhile
		s.discardLocked()
		return nil
	}
	s.state, s.err, s.unreadable = fresh, nil, nil
	s.pending = s.pending.discard()
	s.generation++
	return nil
}

// Discard forgets what the request changed since the session was loaded or
// saved. A Destroy stands.
func (s *Session) Discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discardLocked()
}

func (s *Session) discardLocked() {
	s.generation++
	s.err = s.unreadable
	s.pending = s.pending.discard()
	if !s.state.stored() {
		s.state = state{now: s.freshLocked(), token: s.state.token, id: s.state.id}
		return
	}
	s.state.now, s.state.user = s.state.base, s.state.row.User
}

// touchDue reports whether the expiry has fallen behind by a TouchInterval and
// may still move. s.mu is held.
func (s *Session) touchDue() bool {
	st := &s.state
	if !st.stored() {
		return false
	}
	full := min(s.manager.idle(st.now), st.row.AbsoluteIn)
	return full-st.row.ExpiresIn >= s.manager.touchInterval(st.now)
}
