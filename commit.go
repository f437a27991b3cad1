package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A commit carries one batch of a session's changes to the store. It works on
// a copy, so that the handler's goroutines can go on with the session.
type commit struct {
	manager    *Manager
	request    *http.Request // nil outside of one
	state      state
	changes    changes
	cookie     cookiePath
	due        bool // the idle timeout has to be moved
	newCookie  bool // the token is new
	sameCookie bool // the browser should get the cookie of its token again
	confirmed  bool // the row has this token
}

// cookiePath says whether a cookie can still reach the browser.
type cookiePath int

const (
	cookieOpen     cookiePath = iota
	cookieWithheld            // a Secure cookie on plain HTTP
	cookieGone                // the header has left, or there is no response
)

// save writes what is pending. It does not stop when ctx is cancelled: a client
// that hangs up must neither lose a save nor half-finish a logout.
func (s *Session) save(ctx context.Context) (err error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	c, err := s.begin()
	if err != nil || c == nil {
		return err
	}
	err = errPanicked
	defer func() { err = s.manager.storeError("save", s.finish(c, err)) }()
	err = c.run(s.manager.limit(ctx))
	return err
}

// errPanicked is the outcome of a save that a function of [Key.Update] ended.
var errPanicked = errors.New("a function panicked")

// begin takes the pending changes, or returns nil when there is nothing to write.
func (s *Session) begin() (*commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if !s.state.stored() && (len(s.pending.ops) > 0 || s.pending.user || s.manager.policy.SaveNew && !s.pending.destroyed) {
		// Name it now, so that ID returns the same before, during and after the save.
		if err := s.nameLocked(); err != nil {
			return nil, s.manager.storeError("save", err)
		}
	}
	s.confirmed = false
	always, due := s.manager.policy.Resave, s.touchDue() || s.sameCookie && s.state.stored() && s.cookie == cookieOpen
	if !s.state.stored() {
		always = s.manager.policy.SaveNew && !s.pending.destroyed
	}
	if !s.pending.any() && !due && !always {
		return nil, nil //nolint:nilnil // said above, and the usual case
	}
	c := &commit{manager: s.manager, request: s.request, state: s.state, changes: s.pending, cookie: s.cookie, due: due}
	s.pending = changes{}
	return c, nil
}

// finish adopts what the commit wrote and re-applies what the handler changed while
// it ran. A commit that failed hands its changes back.
func (s *Session) finish(c *commit, err error) error {
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

// replayUnlocked lets go of s.mu, because the function of an Update may look at the
// session. If it panics, nothing more of the request is saved, as after an error.
func (s *Session) replayUnlocked(base document, ops []op) (now document, err error) {
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
	s.newCookie = s.newCookie || c.newCookie
	s.sameCookie = s.sameCookie || c.sameCookie
	s.confirmed = c.confirmed
}

func (c *commit) run(ctx context.Context) error {
	if c.changes.drop != (driver.Ref{}) {
		if err := c.manager.end(ctx, c.changes.drop); err != nil {
			return err
		}
		c.changes.drop = driver.Ref{}
	}
	switch {
	case !c.state.stored():
		return c.create(ctx)
	case c.changes.renew != renewNone || c.dirty() || c.manager.policy.Resave:
		return c.merged(ctx, c.update)
	case c.due || c.changes.touch:
		return c.touch(ctx)
	}
	return nil
}

// dirty reports whether the row holds something else than it should.
func (c *commit) dirty() bool {
	return c.state.user != c.state.row.User || !c.state.now.equal(c.state.base)
}

// create inserts a new session, if there is something in it.
func (c *commit) create(ctx context.Context) error {
	if c.state.user == "" && !c.state.now.hasValues() && (!c.manager.policy.SaveNew || c.changes.destroyed) {
		return nil
	}
	switch c.cookie {
	case cookieGone:
		return ErrTooLate
	case cookieWithheld: // a row that no browser can ask for is only litter
		c.manager.logWithheld()
		return nil
	}
	life := c.life()
	life.Absolute = c.manager.lifetime()
	return c.write(false, life, func(row driver.Row) (driver.SaveResult, error) {
		result, err := c.manager.store.Create(ctx, driver.CreateRequest{
			Ref: row.Ref, User: row.User, Label: row.Label, Data: row.Data, Life: life, Authenticated: c.login(),
		})
		if c.changes.unsure && errors.Is(err, driver.ErrExists) {
			return c.createAgain(ctx, row, life, err)
		}
		c.changes.unsure = err != nil && !errors.Is(err, driver.ErrExists)
		return result, err
	})
}

// createAgain saves over the row of an earlier create whose answer was lost. Its token
// was never sent, so no other request can have changed the row.
func (c *commit) createAgain(ctx context.Context, row driver.Row, life driver.Life, taken error) (driver.SaveResult, error) {
	mine, err := c.manager.store.Load(ctx, row.Ref)
	if errors.Is(err, ErrNotFound) {
		return driver.SaveResult{}, taken
	}
	if err != nil {
		return driver.SaveResult{}, err
	}
	return c.manager.store.Save(ctx, driver.SaveRequest{
		From: row.Ref, Version: mine.Version, Verifier: row.Verifier,
		User: row.User, Label: row.Label, Data: row.Data, Life: life, Authenticated: c.login(),
	})
}

// update saves, with a new token where the session is to have one.
func (c *commit) update(ctx context.Context) error {
	from, life, renew := c.state.row.Ref, c.life(), c.changes.renew != renewNone
	switch {
	case !renew:
	case c.cookie == cookieGone:
		return ErrTooLate
	case c.cookie == cookieWithheld: // the new token can't be sent, and the old one must die all the same
		c.manager.logWithheld()
		c.state = state{}
		return c.manager.end(ctx, from)
	case c.login():
		life.Absolute = c.manager.lifetime()
	}
	modified := c.dirty()
	err := c.write(renew, life, func(row driver.Row) (driver.SaveResult, error) {
		return c.manager.store.Save(ctx, driver.SaveRequest{
			From: from, Version: row.Version, Verifier: row.Verifier,
			User: row.User, Label: row.Label, Data: row.Data, Life: life, Authenticated: c.login(),
		})
	})
	if err != nil {
		return err
	}
	c.confirmed = true
	for _, o := range c.changes.ops {
		c.sameCookie = c.sameCookie || o.name == cookieMember
	}
	// A cookie that the browser keeps by a clock of its own has to follow.
	c.sameCookie = c.sameCookie || modified && c.manager.maxAge(c.state.now) > 0
	return nil
}

// login reports whether the commit makes the session a user's.
func (c *commit) login() bool {
	return c.state.user != "" && (c.changes.renew == renewLogin || !c.state.stored())
}

// maxCollisions bounds the tries for a token that is not taken. With its random
// bits the second one means that something else is wrong.
const maxCollisions = 3

// write encodes the session and puts it into the store, under a new token if it
// is to have one.
func (c *commit) write(renew bool, life driver.Life, put func(driver.Row) (driver.SaveResult, error)) error {
	row, err := c.row()
	if err != nil {
		return err
	}
	token, isNew := c.state.token, renew || !c.state.stored()
	var result driver.SaveResult
	err = driver.ErrExists
	for try := 0; try < maxCollisions && errors.Is(err, driver.ErrExists); try++ {
		if renew || try > 0 {
			if token, err = c.manager.protocol.NewToken(c.request, c.state.row.ID); err != nil {
				return err
			}
		}
		if isNew {
			row.Ref = c.manager.protocol.Ref(token)
		}
		result, err = put(row)
	}
	if err != nil {
		return err
	}
	if !c.state.stored() {
		row.CreatedAt = time.Now()
	}
	if c.login() {
		row.AuthenticatedAt = time.Now()
	}
	if life.Absolute > 0 {
		row.AbsoluteIn = life.Absolute
	}
	c.newCookie = c.newCookie || isNew
	c.state.token, c.state.id, row.Version = token, row.ID, result.Version
	c.wrote(row, life)
	return nil
}

func (c *commit) touch(ctx context.Context) error {
	life := c.life()
	life.Throttle = c.manager.touchInterval(c.state.now)
	if c.changes.touch {
		life.Throttle = 0
	}
	_, err := c.manager.store.Touch(ctx, driver.TouchRequest{Ref: c.state.row.Ref, Life: life})
	if errors.Is(err, ErrNotFound) {
		// It ended, or another request gave it a new token, whose cookie this one's
		// must not replace in the browser.
		return nil
	}
	if err != nil {
		return err
	}
	c.confirmed = true
	c.sameCookie = c.sameCookie || !c.manager.policy.TouchOnly && c.manager.maxAge(c.state.now) > 0
	c.wrote(c.state.row, life)
	return nil
}

// row returns what to write.
func (c *commit) row() (driver.Row, error) {
	row := c.state.row
	c.state.now = c.manager.renewed(c.state.now)
	row.User, row.Data = c.state.user, c.state.now.encode()
	if limit := c.manager.options.MaxBytes; len(row.Data) > limit {
		return row, fmt.Errorf("%w: %d bytes of JSON, MaxBytes is %d; keep big things in a table of their own", ErrTooLarge, len(row.Data), limit)
	}
	return row, nil
}

func (c *commit) life() driver.Life { return driver.Life{Idle: c.manager.idle(c.state.now)} }

func (c *commit) wrote(row driver.Row, life driver.Life) {
	row.ExpiresIn = min(life.Idle, row.AbsoluteIn)
	c.state.row = row
}
