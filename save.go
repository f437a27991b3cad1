package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Touch moves the idle timeout now, and only that. A long connection calls it
// while its user is active. The error wraps [ErrEnded] when the session has ended
// or another request gave it a new token. A request need not call it. A session that
// was not saved yet has nothing to move. A cookie with a MaxAge is sent again if the
// response has not begun.
func (s *Session) Touch(ctx context.Context) error {
	s.mustExist()
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	row, cookie := s.state.row, s.state.base.cookie
	s.mu.Unlock()
	if row.ID == "" || s.core.policy.NoTouch {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.core.options.Timeout)
	defer cancel()
	if err := s.core.touch(ctx, &row, cookie, 0); err != nil {
		return storeError("touch", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.row.Ref == row.Ref { // not destroyed while the store worked
		s.state.row.ExpiresIn = row.ExpiresIn
		s.fate.again = s.fate.again || cookie.MaxAge() > 0 && !s.core.policy.TouchOnly
	}
	return nil
}

// Save saves now what was changed so far. Only code that goes on for long after the
// response began, or that has no request, needs to call it. The error wraps
// [ErrTooLate] when the session would need a cookie that can't be sent any more; then
// nothing is saved. The end of ctx does not stop it; [Options].Timeout does.
func (s *Session) Save(ctx context.Context) error {
	s.mustExist()
	err := s.save(ctx)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reported = s.generation + 1
	}
	return err
}

// Reload forgets unsaved changes and reads the session again. The error wraps
// [ErrEnded] when it has ended; then nothing is forgotten. A new session becomes
// empty, and a Destroy stands. It takes as long as ctx allows.
func (s *Session) Reload(ctx context.Context) error {
	s.mustExist()
	s.saving.Lock()
	defer s.saving.Unlock()
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
	s.generation++
	return nil
}

// read returns the session as the store has it, or what a new one begins with.
func (s *Session) read(ctx context.Context, old *state) (fresh state, err error) {
	if old.stored() {
		fresh, err = s.core.load(ctx, old.row.Ref)
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

// save writes what is pending. It does not stop when ctx is cancelled: a client
// that hangs up must neither lose a save nor half-finish a logout.
func (s *Session) save(ctx context.Context) (err error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	c, err := s.takePending()
	if err != nil || c == nil {
		return err
	}
	err = errPanicked
	defer func() { err = storeError("save", s.settle(c, err)) }()
	err = c.run(s.core.limit(ctx))
	return err
}

// errPanicked is the outcome of a save that a function of [Key.Update] ended.
var errPanicked = errors.New("a function panicked")

// takePending turns the pending changes into a commit. It returns nil when there is
// nothing to write.
func (s *Session) takePending() (*commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	policy, stored := &s.core.policy, s.state.stored()
	saveNew := policy.SaveNew && !s.pending.destroyed
	if !stored && (len(s.pending.ops) > 0 || s.pending.user || saveNew) {
		// Name it now, so that ID returns the same before, during and after the save.
		if err := s.nameLocked(); err != nil {
			return nil, storeError("save", err)
		}
	}
	s.fate.confirmed = false
	due := s.core.touchDue(&s.state) || s.fate.again && stored && s.fate.path == cookieOpen
	always := policy.Resave
	if !stored {
		always = saveNew
	}
	if !s.pending.any() && !due && !always {
		return nil, nil //nolint:nilnil // documented above, and the usual case
	}
	c := &commit{core: s.core, request: s.request, state: s.state, changes: s.pending, fate: s.fate, due: due}
	s.pending = changes{}
	return c, nil
}

// touchDue reports whether the idle expiry has fallen behind by a touch interval and
// may still move.
func (c *core) touchDue(st *state) bool {
	if !st.stored() || c.policy.NoTouch {
		return false
	}
	full := min(st.now.cookie.Idle(), st.row.AbsoluteIn)
	return full-st.row.ExpiresIn >= c.policy.touchInterval(st.now.cookie)
}

// settle adopts what the commit wrote and re-applies what the handler changed while
// it ran. If the commit failed, its changes are pending again.
func (s *Session) settle(c *commit, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.pending = c.changes.then(s.pending)
		return err
	}
	defer s.adoptLocked(c) // also when a function panics
	c.state.base = c.state.now
	for !s.pending.destroyed && len(s.pending.ops) > 0 {
		ops, generation := slices.Clone(s.pending.ops), s.generation
		now, err := s.replayUnlocked(c.state.base, ops)
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
func (s *Session) replayUnlocked(base contents, ops []op) (now contents, err error) {
	s.mu.Unlock()
	err = fmt.Errorf("sessions: update: %w: %w", ErrValue, errPanicked)
	panicked := err
	defer func() {
		s.mu.Lock()
		if err == panicked { //nolint:errorlint // this one and no other
			s.err = cmp.Or(s.err, err)
		}
	}()
	return replay(base, ops)
}

func (s *Session) adoptLocked(c *commit) {
	if s.pending.destroyed {
		if c.state.stored() {
			s.pending.drop = c.state.row.Ref
		}
		return
	}
	if s.pending.user {
		c.state.user = s.state.user
	}
	s.state = c.state
	s.fate.adopt(c.fate)
}

// changed reports whether there is something to save. A refused value counts.
func (s *Session) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.any() || s.err != nil
}

// saveErrorReported reports whether Save has told the handler that its last change
// could not be saved.
func (s *Session) saveErrorReported() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reported == s.generation+1
}
