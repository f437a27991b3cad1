package sessions

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/fate"
	"github.com/sqlsessions/sessions/internal/gate"
	"github.com/sqlsessions/sessions/internal/ops"
	"github.com/sqlsessions/sessions/internal/rows"
	"github.com/sqlsessions/sessions/internal/watch"
	"github.com/sqlsessions/sessions/internal/wire"
)

// An ID is a session's public name, a UUID in canonical text. It never changes
// and is of no use as a cookie, so it may be shown, logged and sent in a form.
// Convert what a client sends: sessions.ID(r.PostFormValue("id")).
type ID = driver.ID

// A Session is what one request sees of a session. Values are read and changed
// through a [Key]. Changes are saved before the first byte of the response leaves,
// and again at the end of the handler for those made later. It is safe for concurrent
// use by the goroutines of one request. Once the handler has returned it can only be
// read: changes are refused with [ErrTooLate], and the first is logged.
// Printing it shows its ID and nothing else.
type Session struct {
	core     *core
	request  *http.Request // nil for a session that was not loaded for one
	inner    *http.Request // the handler's
	began    time.Time     // when the request came
	outer    *Session      // of another manager, around this one
	parent   context.Context
	accessed atomic.Bool // the response depends on the cookie

	saving gate.Lock // held while the store is written; taken by hold, before mu

	mu         sync.Mutex
	seal       seal
	others     others
	own        []int64 // the numbers of the marks of revocations that the request made
	state      state
	pending    changes
	fate       fate.Fate
	generation int   // counts the changes
	reported   int   // the generation that Save reported an error for, plus 1
	err        error // the first value that could not be kept
	unreadable error // why the row must not be overwritten, if it can't be read

	watched *watch.Entry // what Context returns, once the session is stored
	moving  bool         // a save gives the row another ID
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
func (s *Session) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "sessions.Session(%s)", s.ID()) }

// mayChangeLocked reports whether what may be done to the session. If not, Err says why, and
// so does the log.
func (s *Session) mayChangeLocked(what string) bool {
	err := s.seal.check(what)
	switch {
	case err == nil:
		return true
	case s.seal.over: // not s.err, which would keep the last save from saving what came before
		s.seal.late = cmp.Or(s.seal.late, err)
	default:
		s.err = cmp.Or(s.err, err)
	}
	if s.seal.toLog(what) {
		s.core.lost.Log(s.parent, s.core.options.logger(), slog.LevelError, "sessions: a change was refused and is lost",
			"change", what, "id", s.state.id, "error", err)
	}
	return false
}

// hold takes s.saving. It waits no longer than a save may take: a save runs functions of
// Update, and one that waits for the caller would wait for itself.
func (s *Session) hold(ctx context.Context) error {
	if s.saving.TryLock() {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, s.core.options.Timeout)
	defer stop()
	if err := s.saving.Lock(ctx); err != nil {
		return fmt.Errorf("%w: an earlier save of the session did not end: %w", ErrUnavailable, err)
	}
	return nil
}

// mayBegin returns why what, which works on the store, must not begin now.
func (s *Session) mayBegin(what string) error {
	s.lock()
	defer s.mu.Unlock()
	return s.seal.check(what)
}

func (s *Session) recordLocked(o ops.Op) {
	now, changed := s.pending.ops.Record(s.state.now, o)
	if changed {
		s.state.now = now
		s.generation++
	}
}

// freshLocked returns what a session begins with.
func (s *Session) freshLocked() ops.Contents {
	now, err := s.core.fresh(s.request)
	s.err = cmp.Or(s.err, err)
	return now
}

// Err returns the first error that a change met, such as a value that JSON can't
// hold. While there is one, nothing of the request is saved, and the request is
// answered by [Options].ErrorHandler. A change after the end of the request is one too.
func (s *Session) Err() error {
	s.lock()
	defer s.mu.Unlock()
	return cmp.Or(s.err, s.seal.late)
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

// ExpiresAt returns when the session ends if it is not used again.
func (s *Session) ExpiresAt() time.Time {
	s.lock()
	defer s.mu.Unlock()
	now := time.Now()
	left := s.state.rowAt(now).ExpiresIn
	if !s.state.stored() || s.pending.renew == renewLogin {
		left = min(s.core.timeouts.Of(s.state.user, s.state.now.Cookie), s.core.options.Lifetime)
	}
	return now.Add(left).Round(0) // without the monotonic clock, for display
}

// LastSeenAt returns when the session was last used, to within
// [Options].TouchInterval.
func (s *Session) LastSeenAt() time.Time {
	s.lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.state.stored() {
		return now.Round(0)
	}
	return rows.LastSeen(s.state.rowAt(now), s.state.base.Cookie.Idle(), now)
}

// Context returns a context for streams, websockets and jobs. It ends with the request's,
// or with the one given to [Manager.Load] or to a list, and when the session ends
// anywhere, at most [Options].WatchInterval later. Then context.Cause returns an error
// that wraps [*EndedError]. One statement an interval serves all sessions of the process, and
// asks for each until its context ends: give Load and lists a context that ends with the work.
// A new session's ends with the request's alone; call it again after [Session.Save].
//
// A stream that is open does not keep its session alive: see [Session.Touch]. While the
// store can't be reached, the context goes on.
func (s *Session) Context() context.Context {
	s.lock()
	defer s.mu.Unlock()
	if !s.state.stored() {
		return s.parent
	}
	if s.watched == nil {
		s.watched = s.core.watch.Add(s.parent, s.state.row.Ref)
		if s.moving {
			s.watched.Hold()
		}
	}
	return s.watched.Context
}

// SetMaxAge makes the browser keep the cookie for d, in whole seconds and at most
// 400 days, counted from each time that the idle timeout moves: "remember me". An
// unused session lives that long too, within [Options].Lifetime, and a visitor's within
// [Options].AnonymousTimeout. Zero or less means until the browser is closed.
func (s *Session) SetMaxAge(d time.Duration) {
	s.lock()
	defer s.mu.Unlock()
	old := s.state.now.Cookie
	if !s.mayChangeLocked("SetMaxAge") {
		return
	}
	if a := old.WithMaxAge(d); a.MaxAge() != old.MaxAge() {
		s.recordLocked(ops.SetCookie(a))
	}
}

// Keys returns the names that have a value, in the order they were first set.
func (s *Session) Keys() []string {
	s.lock()
	defer s.mu.Unlock()
	return s.state.now.Doc.Names()
}

// Clear deletes all values. User and cookie stay.
func (s *Session) Clear() {
	s.lock()
	defer s.mu.Unlock()
	if s.mayChangeLocked("Clear") {
		s.recordLocked(ops.Op{Kind: ops.Clear})
	}
}

// Regenerate gives the session a new token and keeps everything else. The old
// token is dead from the moment the new one works. Call it when privileges change;
// [Session.SetUser] does it by itself.
func (s *Session) Regenerate() {
	s.lock()
	defer s.mu.Unlock()
	if s.mayChangeLocked("Regenerate") {
		s.regenerateLocked(renewToken)
	}
}

func (s *Session) regenerateLocked(how renewal) {
	s.generation++
	s.pending.renew = max(s.pending.renew, how) // a new session has a new token anyway
}

// Destroy ends the session with [ReasonLogout], even if another request has just given it
// a new token, and every other live session that the request presented. The browser is
// told to drop the cookie, and no request that still runs brings the session back. What
// is stored afterwards begins a new session, with another ID.
func (s *Session) Destroy() {
	s.lock()
	defer s.mu.Unlock()
	if s.mayChangeLocked("Destroy") {
		s.destroyLocked()
	}
}

func (s *Session) destroyLocked() {
	ends, was := s.pending.ends, wire.Attributes(nil)
	if s.state.stored() {
		ends, was = append(ends, s.state.row), s.state.base.Cookie
	}
	ends = append(ends, s.others.live...)
	s.others.live = nil
	s.pending = changes{ends: ends, old: s.core.predecessor != nil, destroyed: true}
	s.fate.Destroy(was)
	s.generation++
	s.err, s.unreadable = nil, nil
	s.state = state{now: s.freshLocked()}
	s.watched = nil // it ends when the ending is saved
}

// others are what a request presented beside the session that it was given.
type others struct {
	live []driver.Row // several were live, so none was chosen
	dead []driver.Ref // tokens that open nothing
}
