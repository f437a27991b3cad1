package sessions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A commit carries one batch of a session's changes to the store. It works on
// a copy, so that the handler's goroutines can go on with the session.
type commit struct {
	core    *core
	request *http.Request // nil outside of one
	state   state
	changes changes
	fate    fate
	due     bool // the idle expiry or the cookie has to be renewed
}

func (c *commit) run(ctx context.Context) error {
	if c.changes.drop != (driver.Ref{}) {
		if err := c.core.end(ctx, c.changes.drop); err != nil {
			return err
		}
		c.changes.drop = driver.Ref{}
	}
	switch {
	case !c.state.stored():
		return c.create(ctx)
	case c.changes.renew != renewNone || c.dirty() || c.core.policy.Resave:
		return c.merged(ctx, c.update)
	case c.due:
		return c.touch(ctx)
	}
	return nil
}

// dirty reports whether the row has to change.
func (c *commit) dirty() bool {
	return c.state.user != c.state.row.User || !c.state.now.equal(c.state.base)
}

// create inserts a new session, if there is something in it.
func (c *commit) create(ctx context.Context) error {
	if c.state.user == "" && c.state.now.doc.Empty() && (!c.core.policy.SaveNew || c.changes.destroyed) {
		return nil
	}
	switch c.fate.path {
	case cookieGone:
		return ErrTooLate
	case cookieWithheld: // a row that no browser can ask for is only litter
		c.core.logWithheld()
		return nil
	}
	life := c.life()
	life.Absolute = c.core.policy.lifetime
	return c.write(false, life, func(row driver.Row) (driver.SaveResult, error) {
		result, err := c.core.store.Create(ctx, driver.CreateRequest{
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
	mine, err := c.core.store.Load(ctx, row.Ref)
	if errors.Is(err, ErrNotFound) {
		return driver.SaveResult{}, taken
	}
	if err != nil {
		return driver.SaveResult{}, err
	}
	return c.core.store.Save(ctx, driver.SaveRequest{
		From: row.Ref, Version: mine.Version, Verifier: row.Verifier,
		User: row.User, Label: row.Label, Data: row.Data, Life: life, Authenticated: c.login(),
	})
}

// update saves a stored session, with a new token if it is to have one.
func (c *commit) update(ctx context.Context) error {
	from, life, renew := c.state.row.Ref, c.life(), c.changes.renew != renewNone
	switch {
	case !renew:
	case c.fate.path == cookieGone:
		return ErrTooLate
	case c.fate.path == cookieWithheld: // the new token can't be sent, and the old one must stop working
		c.core.logWithheld()
		now, err := c.core.fresh(c.request)
		c.state = state{now: now}
		return errors.Join(err, c.core.end(ctx, from))
	case c.login():
		life.Absolute = c.core.policy.lifetime
	}
	modified := c.dirty()
	err := c.write(renew, life, func(row driver.Row) (driver.SaveResult, error) {
		return c.core.store.Save(ctx, driver.SaveRequest{
			From: from, Version: row.Version, Verifier: row.Verifier,
			User: row.User, Label: row.Label, Data: row.Data, Life: life, Authenticated: c.login(),
		})
	})
	if err != nil {
		return err
	}
	c.fate.confirmed = true
	for _, o := range c.changes.ops {
		c.fate.again = c.fate.again || o.kind == opCookie
	}
	// The browser counts a MaxAge from when it got the cookie, so it needs it again.
	c.fate.again = c.fate.again || modified && c.state.now.cookie.MaxAge() > 0
	return nil
}

// login reports whether the commit makes the session a user's.
func (c *commit) login() bool {
	return c.state.user != "" && (c.changes.renew == renewLogin || !c.state.stored())
}

// maxCollisions bounds the tries for a token that is not taken. With its random
// bits the second one means that something else is wrong.
const maxCollisions = 3

// write encodes the session and stores it by put, under a new token if renew is set
// or the session is new.
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
			if token, err = c.core.protocol.NewToken(c.request, c.state.row.ID); err != nil {
				return err
			}
		}
		if isNew {
			row.Ref = c.core.protocol.Ref(token)
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
	c.fate.isNew = c.fate.isNew || isNew
	c.state.token, c.state.id, row.Version = token, row.ID, result.Version
	row.ExpiresIn = min(life.Idle, row.AbsoluteIn)
	c.state.row = row
	return nil
}

func (c *commit) touch(ctx context.Context) error {
	cookie := c.state.now.cookie
	err := c.core.touch(ctx, &c.state.row, cookie, c.core.policy.touchInterval(cookie))
	if errors.Is(err, ErrNotFound) {
		// It ended, or another request gave it a new token, whose cookie this one's
		// must not replace in the browser.
		return nil
	}
	if err != nil {
		return err
	}
	c.fate.confirmed = true
	c.fate.again = c.fate.again || !c.core.policy.TouchOnly && cookie.MaxAge() > 0
	return nil
}

// row returns the row to write. The error wraps [ErrTooLarge].
func (c *commit) row() (driver.Row, error) {
	row := c.state.row
	c.state.now = c.state.now.renewed()
	row.User, row.Data = c.state.user, c.state.now.doc.Encode()
	if limit := c.core.options.MaxBytes; len(row.Data) > limit {
		return row, fmt.Errorf("%w: %d bytes of JSON, MaxBytes is %d; keep big things in a table of their own", ErrTooLarge, len(row.Data), limit)
	}
	return row, nil
}

func (c *commit) life() driver.Life { return driver.Life{Idle: c.state.now.cookie.Idle()} }

const (
	// maxTries bounds how often one save runs into another's. Within a process the gate
	// lets one loser at a time try again, so only other machines can use them up.
	maxTries = 40
	maxPause = 20 * time.Millisecond
)

// merged runs write. As long as another request saved first, it puts the commit's
// changes on top of what that one saved and runs write again.
func (c *commit) merged(ctx context.Context, write func(context.Context) error) error {
	err := write(ctx)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	leave, gateErr := c.core.gate.enter(ctx, c.state.row.ID)
	if gateErr != nil {
		return err
	}
	defer leave()
	for try := 0; errors.Is(err, ErrConflict) && try < maxTries; try++ {
		if try > 0 {
			pause := time.Duration(rand.Int64N(int64(min(maxPause, time.Millisecond<<min(try, 10)))))
			if sleep(ctx, pause) != nil {
				return err
			}
		}
		if changed, rebaseErr := c.rebase(ctx); rebaseErr != nil || !changed {
			return rebaseErr
		}
		err = write(ctx)
	}
	return err
}

// rebase loads the row again and puts the commit's changes on top. It reports
// whether they still change anything.
func (c *commit) rebase(ctx context.Context) (changed bool, err error) {
	theirs, err := c.core.load(ctx, c.state.row.Ref)
	if err != nil {
		return false, err
	}
	now, err := replay(theirs.base, c.changes.ops)
	if err != nil {
		return false, err
	}
	st := &c.state
	st.row, st.base, st.now = theirs.row, theirs.base, now
	if !c.changes.user {
		st.user = theirs.user
	}
	return c.changes.renew != renewNone || c.dirty(), nil
}
