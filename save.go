package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions/internal/fate"
	"github.com/sqlsessions/sessions/internal/ops"
	"github.com/sqlsessions/sessions/internal/signin"
	"github.com/sqlsessions/sessions/internal/watch"
)

// Touch moves the idle timeout now, and only that. A long connection calls it
// while its user is active. The error wraps [ErrEnded] when the session has ended
// or another request gave it a new token. A request need not call it. A session that
// was not saved yet has nothing to move. A cookie with a MaxAge is sent again if the
// response has not begun.
func (s *Session) Touch(ctx context.Context) error {
	if err := s.mayBegin("Touch"); err != nil {
		return err
	}
	if err := s.hold(ctx); err != nil {
		return storeError("touch", err)
	}
	defer s.saving.Unlock()
	s.mu.Lock()
	st := s.state
	s.mu.Unlock()
	if !st.stored() || s.core.policy.NoTouch {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.core.options.Timeout)
	defer cancel()
	cookie := st.base.Cookie
	if err := s.core.touch(ctx, &st, cookie, true); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = s.core.endedError(ctx, st.row.Ref)
		}
		return storeError("touch", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.row.Ref == st.row.Ref { // not destroyed while the store worked
		s.state.row, s.state.read = st.row, st.read
		s.fate.Again = s.fate.Again || cookie.MaxAge() > 0 && !s.core.policy.TouchOnly
	}
	return nil
}

// Save saves now what was changed so far. Only code that goes on for long after the
// response began, or that has no request, needs to call it. The error wraps
// [ErrTooLate] when the session would need a cookie that can't be sent any more; then
// nothing is saved. The end of ctx does not stop it; [Options].Timeout does.
func (s *Session) Save(ctx context.Context) error {
	if err := s.mayBegin("Save"); err != nil {
		return err
	}
	err := s.save(ctx, program)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reported = s.generation + 1
	}
	return err
}

// Reload forgets unsaved changes and reads the session again. The error wraps
// [ErrEnded] when it has ended; then nothing is forgotten. A new session becomes
// empty, and a Destroy stands.
func (s *Session) Reload(ctx context.Context) error {
	if err := s.mayBegin("Reload"); err != nil {
		return err
	}
	if err := s.hold(ctx); err != nil {
		return storeError("reload", err)
	}
	defer s.saving.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.core.options.Timeout) // others wait for the lock
	defer cancel()
	s.mu.Lock()
	old := s.state
	s.mu.Unlock()
	fresh, err := s.read(ctx, &old)
	if err != nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	if old.stored() && s.pending.destroyed { // while the store worked
		s.discardLocked()
		return nil
	}
	s.state, s.err, s.unreadable = fresh, nil, nil
	s.pending = s.pending.discard()
	s.pending.unsure = s.pending.unsure && !fresh.stored()
	s.fate.Outdated = s.fate.Outdated || fresh.row.Previous
	s.generation++
	return nil
}

// read returns the session as the store has it, or what a new one begins with.
func (s *Session) read(ctx context.Context, old *state) (fresh state, err error) {
	if old.stored() {
		if fresh, err = s.core.load(ctx, old.row.Ref); errors.Is(err, ErrNotFound) {
			err = s.core.endedError(ctx, old.row.Ref)
		}
		err = storeError("reload", err)
	} else {
		fresh.now, err = s.core.fresh(s.request)
		fresh.id = old.id
	}
	fresh.token = old.token
	return fresh, err
}

// Discard forgets what was changed since the session was loaded or last saved, Err
// included. A Destroy stands.
func (s *Session) Discard() {
	s.lock()
	defer s.mu.Unlock()
	if !s.seal.over && s.mayChangeLocked("Discard") {
		s.discardLocked()
	}
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

// save writes what is pending. It does not stop when ctx is cancelled: a client
// that hangs up must neither lose a save nor half-finish a logout.
func (s *Session) save(ctx context.Context, by caller) error {
	if err := s.hold(context.Background()); err != nil {
		return storeError("save", err)
	}
	defer s.saving.Unlock()
	s.mu.Lock()
	over, outcome := s.seal.over, s.seal.outcome
	s.mu.Unlock()
	if over { // while this one waited: the last save took its changes along
		return outcome
	}
	err := s.write(ctx, by)
	if by == response { // the header is next: a Save that comes in between must not count on it
		s.closeCookie()
	}
	return err
}

// closeCookie notes that no cookie can be sent any more and returns how it was.
func (s *Session) closeCookie() fate.Way {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fate.Close()
}

// write is save with s.saving held.
func (s *Session) write(ctx context.Context, by caller) (err error) {
	c, err := s.takePending(by)
	if err != nil || c == nil {
		return err
	}
	err = errPanicked
	defer func() { err = storeError("save", s.settle(c, err)) }()
	limited := s.core.limit(ctx)
	if err = c.run(limited); errors.Is(err, ErrNotFound) && !errors.Is(err, ErrLimit) {
		err = s.core.endedError(limited, c.state.row.Ref)
	}
	return err
}

// errPanicked is the outcome of a save that a function of [Key.Update] ended.
var errPanicked = errors.New("a function panicked")

// takePending turns the pending changes into a commit. It returns nil when there is
// nothing to write.
func (s *Session) takePending(by caller) (*commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	policy, stored := &s.core.policy, s.state.stored()
	saveNew := policy.SaveNew && !s.pending.destroyed
	if !stored && (s.pending.ops.Len() > 0 || s.pending.user || saveNew) {
		// Name it now, so that ID returns the same before, during and after the save.
		if err := s.nameLocked(); err != nil {
			return nil, storeError("save", err)
		}
	}
	s.fate.Confirmed = false
	due := s.core.touchDue(&s.state) || s.fate.Again && stored && s.fate.Way == fate.Open
	if by == response && s.rotationDueLocked() {
		s.pending.renew = max(s.pending.renew, renewAge)
	}
	always := policy.Resave
	if !stored {
		always = saveNew
	}
	if !s.pending.any() && !due && !always {
		return nil, nil //nolint:nilnil // documented above, and the usual case
	}
	c := &commit{
		core: s.core, request: s.request, inner: s.inner, caller: by, state: s.state, changes: s.pending, fate: s.fate, due: due,
		signIn: signin.Begin(s.pending.since, s.began, s.own), newcomer: s.state.row.User == "",
	}
	if c.login() {
		c.others = s.others.live
	}
	s.pending = changes{}
	if policy.Endless && stored && c.changes.renew != renewNone {
		s.moving, c.watched = true, s.watched
		c.watched.Hold()
	}
	return c, nil
}

// rotationDueLocked reports whether the session's token is old enough for a new one, which
// the response can still carry. Only the save that the header waits for asks: after another
// one, the handler could take longer than the grace, or panic.
func (s *Session) rotationDueLocked() bool {
	age := s.core.options.RotateAfter
	if s.request != nil && s.request.Context().Err() != nil {
		return false // the client has gone, and would not get it
	}
	return age > 0 && s.state.rowAt(time.Now()).VerifierAge >= age && s.state.stored() && s.fate.Way == fate.Open && !s.fate.Inherited
}

// settle adopts what the commit wrote and re-applies what the handler changed while
// it ran. If the commit failed, its changes are pending again.
func (s *Session) settle(c *commit, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moving = false
	for _, e := range []*watch.Entry{c.watched, s.watched} {
		e.Resume(c.state.row.Ref)
	}
	if err != nil {
		over := s.pending.destroyed // since the save began
		s.pending = c.changes.then(s.pending)
		if c.refused && !over {
			s.err = cmp.Or(s.err, storeError("save", err))
		}
		return err
	}
	if c.others != nil {
		s.others.live = nil
	}
	defer s.adoptLocked(c) // also when a function panics
	c.state.base = c.state.now
	for try := 0; !s.pending.destroyed && s.pending.ops.Len() > 0; try++ {
		if try == maxRuns {
			s.err = cmp.Or(s.err, errRestless)
			break
		}
		pending, generation := s.pending.ops.Clone(), s.generation
		now, err := s.replayUnlocked(c.state.base, pending)
		if s.generation != generation {
			continue
		}
		if err != nil {
			s.err = cmp.Or(s.err, err)
		} else {
			c.state.now = now
		}
		break
	}
	return nil
}

// replayUnlocked releases s.mu, because the function of an Update may look at the
// session. If it panics, nothing more of the request is saved, as after an error.
func (s *Session) replayUnlocked(base ops.Contents, pending ops.List) (now ops.Contents, err error) {
	s.mu.Unlock()
	err = fmt.Errorf("sessions: update: %w: %w", ErrValue, errPanicked)
	panicked := err
	defer func() {
		s.mu.Lock()
		if err == panicked { //nolint:errorlint // this one and no other
			s.err = cmp.Or(s.err, err)
		}
	}()
	return pending.Replay(base)
}

func (s *Session) adoptLocked(c *commit) {
	if s.pending.destroyed {
		if c.state.stored() {
			s.pending.ends = append(s.pending.ends, c.state.row)
		}
		return
	}
	if s.pending.user {
		c.state.user = s.state.user
	}
	s.state = c.state
	s.fate.Adopt(c.fate)
}

// saveErrorReported reports whether Save has told the handler that its last change
// could not be saved.
func (s *Session) saveErrorReported() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reported == s.generation+1
}
