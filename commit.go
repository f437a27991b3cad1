package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
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
	sendCookie bool
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
func (s *Session) save(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	c, err := s.begin()
	if err != nil || c == nil {
		return err
	}
	return s.manager.storeError("save", s.finish(c, c.run(s.manager.limit(ctx))))
}

// begin takes the pending changes, or returns nil when there is nothing to write.
func (s *Session) begin() (*commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if !s.state.stored() && (s.pending.any() || s.manager.policy.SaveNew) {
		s.handleLocked() // so that it is the same before, while and after the row is made
	}
	always, due := s.manager.policy.Resave, s.touchDue()
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

// finish takes over what the commit made, and lays over it what the handler
// changed meanwhile. A commit that failed hands its changes back.
func (s *Session) finish(c *commit, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.pending = c.changes.then(s.pending)
		return err
	}
	c.state.base = c.state.now
	for !s.pending.destroyed && len(s.pending.ops) > 0 {
		ops, generation := slices.Clone(s.pending.ops), s.generation
		s.mu.Unlock() // the function of an Update may look at the session
		now, err := replay(c.state.base, ops)
		s.mu.Lock()
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
	if s.pending.destroyed {
		if c.state.stored() {
			s.pending.drop = c.state.row.Key
		}
		return nil
	}
	if s.pending.user {
		c.state.user = s.state.user
	}
	if s.pending.renew == renewEmpty {
		c.state.handle = s.state.handle
	}
	s.state = c.state
	s.sendCookie = s.sendCookie || c.sendCookie
	return nil
}

func (c *commit) run(ctx context.Context) error {
	if c.changes.drop != "" {
		if err := c.manager.store.Delete(ctx, c.changes.drop); err != nil {
			return err
		}
		c.changes.drop = ""
	}
	switch {
	case !c.state.stored():
		return c.create(ctx)
	case c.changes.renew != renewNone:
		return c.merged(ctx, c.rekey)
	case c.dirty() || c.manager.policy.Resave:
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
	ttl := c.ttl()
	ttl.Absolute = c.manager.lifetime()
	return c.writeNewID(ttl, func(row *Record) error {
		row.Version = 1
		return c.manager.store.Create(ctx, *row, ttl)
	})
}

// rekey saves under a new id and makes the old one invalid.
func (c *commit) rekey(ctx context.Context) error {
	from := c.state.row.Key
	switch c.cookie {
	case cookieGone:
		return ErrTooLate
	case cookieWithheld: // the new id can't be sent, and the old one must die all the same
		c.manager.logWithheld()
		c.state = state{}
		return c.manager.store.Delete(ctx, from)
	}
	ttl := c.ttl()
	if c.changes.renew >= renewLogin {
		ttl.Absolute = c.manager.lifetime()
	}
	return c.writeNewID(ttl, func(row *Record) (err error) {
		row.Version, err = c.manager.store.Rekey(ctx, from, *row, ttl)
		return err
	})
}

// maxCollisions bounds the tries for an id that is not taken. With 256 random
// bits the second one means that something else is wrong.
const maxCollisions = 3

func (c *commit) writeNewID(ttl TTL, write func(*Record) error) error {
	row, err := c.row()
	if err != nil {
		return err
	}
	err = ErrExists
	for try := 0; try < maxCollisions && errors.Is(err, ErrExists); try++ {
		if c.state.id, err = c.manager.protocol.NewID(c.request); err != nil {
			return err
		}
		row.Key = RowKey(c.manager.protocol.Key(c.state.id))
		c.state.handle = cmp.Or(c.manager.protocol.Handle(c.state.id), c.state.handle)
		row.Handle = c.state.handle
		err = write(&row)
	}
	if err != nil {
		return err
	}
	if ttl.Absolute > 0 {
		row.CreatedAt, row.AbsoluteIn = time.Now(), ttl.Absolute
	}
	c.wrote(row, ttl)
	c.sendCookie = true
	return nil
}

// update saves under the id that the session has.
func (c *commit) update(ctx context.Context) error {
	modified := c.dirty()
	row, err := c.row()
	if err != nil {
		return err
	}
	ttl := c.ttl()
	if row.Version, err = c.manager.store.Save(ctx, row, ttl); err != nil {
		return err
	}
	c.wrote(row, ttl)
	for _, o := range c.changes.ops {
		c.sendCookie = c.sendCookie || o.name == cookieMember
	}
	// A cookie that the browser keeps by a clock of its own has to follow.
	c.sendCookie = c.sendCookie || modified && c.manager.maxAge(c.state.now) > 0
	return nil
}

func (c *commit) touch(ctx context.Context) error {
	ttl := c.ttl()
	ttl.Throttle = c.manager.touchInterval(c.state.now)
	if c.changes.touch {
		ttl.Throttle = 0
	}
	if err := c.manager.store.Touch(ctx, c.state.row.Key, ttl); err != nil {
		return err
	}
	if !c.manager.policy.TouchOnly && c.manager.maxAge(c.state.now) > 0 {
		// The cookie will be sent again. Touch does not tell whether the row is still
		// there, and the cookie of a session that was regenerated meanwhile must not
		// replace the new one in the browser.
		if _, err := c.manager.store.Load(ctx, c.state.row.Key); errors.Is(err, ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		c.sendCookie = true
	}
	c.wrote(c.state.row, ttl)
	return nil
}

// row returns what to write.
func (c *commit) row() (Record, error) {
	row := c.state.row
	c.state.now = c.manager.renewed(c.state.now)
	row.User, row.Data = c.state.user, c.state.now.encode()
	if limit := c.manager.options.MaxBytes; len(row.Data) > limit {
		return row, fmt.Errorf("%w: %d bytes of JSON, MaxBytes is %d; keep big things in a table of their own", ErrTooLarge, len(row.Data), limit)
	}
	return row, nil
}

func (c *commit) ttl() TTL { return TTL{Idle: c.manager.idle(c.state.now)} }

func (c *commit) wrote(row Record, ttl TTL) {
	row.ExpiresIn = min(ttl.Idle, row.AbsoluteIn)
	c.state.row = row
}
