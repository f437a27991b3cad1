package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/fate"
	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/rows"
	"github.com/sqlsessions/sessions/internal/signin"
	"github.com/sqlsessions/sessions/internal/watch"
)

// A commit carries one batch of a session's changes to the store. It works on
// a copy, so that the handler's goroutines can go on with the session.
type commit struct {
	core    *core
	request *http.Request // nil outside of one
	inner   *http.Request // the handler's
	state   state
	changes changes
	fate    fate.Fate
	due     bool // the idle expiry or the cookie has to be renewed
	caller  caller

	signIn   signin.Start
	leaving  bool // a user's session ended, and this one takes its place
	newcomer bool // the sign-in gives the user one more session
	refused  bool // the sign-in, or a visitor's first row, was refused for good

	others []driver.Row // live sessions that a sign-in ends, because the request presented them too

	watched *watch.Entry // the session's context, held while the row gets another ID
}

func (c *commit) run(ctx context.Context) error {
	if c.keptBack() {
		return errWithheld
	}
	login := c.login()
	if login {
		if c.fate.Way == fate.Gone {
			return errCookieGone
		}
		refused, err := c.core.maySignIn(ctx, c.state.user, c.signIn, c.limited())
		if c.refused = refused; err != nil {
			return err
		}
	}
	c.leaving = slices.ContainsFunc(c.changes.ends, func(row driver.Row) bool { return row.User != "" })
	if err := c.endPresented(ctx); err != nil {
		return err
	}
	switch {
	case !c.state.stored():
		if wrote, err := c.create(ctx); err != nil || !wrote {
			return err
		}
	case c.changes.renew != renewNone || c.dirty() || c.core.policy.Resave:
		err := c.core.gate.Run(ctx, c.state.row.ID, c)
		if c.changes.renew == renewAge && !c.dirty() && errors.Is(err, ErrNotFound) {
			return nil // as for a touch
		}
		if err != nil {
			return err
		}
	case c.due:
		return c.touch(ctx)
	}
	if login {
		err := c.core.admit(ctx, &c.state.row, c.signIn, c.limited(), c.life())
		c.refused = err != nil
		return err
	}
	return nil
}

// keptBack reports whether nothing may be written, because the commit needs a cookie that is
// withheld, and the program or its user would take it for done: a stored session would lose
// its token, a user would seem to be signed in, or Save to have saved.
func (c *commit) keptBack() bool {
	switch {
	case c.fate.Way != fate.Withheld:
		return false
	case c.state.stored():
		return c.changes.renew != renewNone
	}
	return c.login() || c.caller != response && !c.empty()
}

// empty reports whether a new session has nothing in it that would be worth a row.
func (c *commit) empty() bool {
	return c.state.user == "" && c.state.now.Doc.Empty() && (!c.core.policy.SaveNew || c.changes.destroyed)
}

// endPresented ends what Destroy and SetUser have ended.
func (c *commit) endPresented(ctx context.Context) error {
	for _, row := range slices.Concat(c.changes.ends, c.others) {
		if err := c.core.end(ctx, row.Ref, c.core.keepEnded(row.User), ReasonLogout); err != nil {
			return err
		}
	}
	c.changes.ends = nil
	err := c.core.endOld(ctx, c.changes.old, c.request, c.state.row.ID)
	c.changes.old = c.changes.old && err != nil
	return err
}

// limited reports whether the commit gives the user a session more, of a limited number.
func (c *commit) limited() bool { return c.login() && c.newcomer && c.core.options.MaxPerUser > 0 }

// dirty reports whether the row has to change.
func (c *commit) dirty() bool {
	return c.state.user != c.state.row.User || !c.state.now.Equal(c.state.base)
}

// create inserts a new session, if there is something in it, and reports whether it did.
func (c *commit) create(ctx context.Context) (wrote bool, err error) {
	if c.empty() {
		return false, nil
	}
	switch c.fate.Way {
	case fate.Gone:
		return false, errCookieGone
	case fate.Withheld: // a row that no browser can ask for is only litter
		c.core.logWithheld(forwarded.NotKept)
		return false, nil
	}
	if admit := c.core.options.AdmitAnonymous; admit != nil && c.state.user == "" && !c.changes.unsure && !c.leaving {
		if err := admit(c.inner.WithContext(ctx)); err != nil {
			c.refused = true
			return false, fmt.Errorf("%w: AdmitAnonymous: %w", ErrLimit, err)
		}
	}
	life := c.life()
	life.Absolute = c.core.options.Lifetime
	return true, c.write(false, life, func(row driver.Row) (driver.SaveResult, error) {
		req := driver.CreateRequest{
			Ref: row.Ref, User: row.User, Label: row.Label, Data: row.Data, Life: c.atFirst(life), Authenticated: c.login(), Pending: row.Pending,
		}
		result, err := c.core.store.Create(ctx, req)
		if c.changes.unsure && errors.Is(err, driver.ErrExists) {
			return rows.CreateAgain(ctx, c.core.store, req, err)
		}
		c.changes.unsure = err != nil && !errors.Is(err, driver.ErrExists)
		return result, err
	})
}

// Update saves a stored session, with a new token if it is to have one.
func (c *commit) Update(ctx context.Context) error {
	from, life, renew := c.state.row.Ref, c.life(), c.changes.renew != renewNone
	switch {
	case !renew:
	case c.fate.Way == fate.Gone:
		return errCookieGone
	case c.login():
		life.Absolute = c.core.options.Lifetime
	}
	modified := c.dirty()
	err := c.write(renew, life, func(row driver.Row) (driver.SaveResult, error) {
		req := driver.SaveRequest{
			From: from, Version: row.Version, Verifier: row.Verifier,
			User: row.User, Label: row.Label, Data: row.Data, Life: c.atFirst(life), Authenticated: c.login(), Pending: row.Pending,
		}
		if c.changes.renew == renewAge {
			req.Grace = grace
		}
		result, err := c.core.store.Save(ctx, req)
		if c.changes.unsure && c.MayMerge(err) {
			return result, fmt.Errorf("%w: whether an earlier save was carried out is not known, and the session has changed since; Reload it", ErrUnavailable)
		}
		c.changes.unsure = unknown(err)
		return result, err
	})
	if err == nil {
		c.saved(modified, renew)
	}
	return err
}

// saved notes what a save means for the cookie.
func (c *commit) saved(modified, renewed bool) {
	c.fate.Confirmed = true
	// The browser counts a MaxAge from when it got the cookie, so it needs it again.
	c.fate.Again = c.fate.Again || c.changes.ops.SetsCookie() || modified && c.state.now.Cookie.MaxAge() > 0
	c.fate.Outdated = c.fate.Outdated && !renewed
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
	now := time.Now() // before the statement, so that the durations are at most too short
	row, err := c.row(now)
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
		row.CreatedAt = now
	}
	if c.login() {
		row.AuthenticatedAt, row.AuthenticatedAge = now, 0
	}
	if isNew {
		row.VerifierAge = 0
	}
	if life.Absolute > 0 {
		row.AbsoluteIn = life.Absolute
	}
	c.fate.IsNew = c.fate.IsNew || isNew
	c.state.token, c.state.id, row.Version = token, row.ID, result.Version
	rows.Used(&row, now, life)
	c.state.row, c.state.read = row, now
	return nil
}

func (c *commit) touch(ctx context.Context) error {
	switch err := c.core.touch(ctx, &c.state, c.state.now.Cookie, false); {
	case errors.Is(err, ErrNotFound):
		// It ended, or another request gave it a new token, whose cookie this one's
		// must not replace in the browser.
		return nil
	case err != nil && c.caller == program:
		return err
	case err != nil: // the answer is right without it, and the next request tries again
		c.core.options.logger().WarnContext(ctx, "sessions: the expiry of a session could not be moved", "id", c.state.row.ID, "error", err)
		return nil
	}
	c.fate.Confirmed = true
	c.fate.Again = c.fate.Again || !c.core.policy.TouchOnly && c.state.now.Cookie.MaxAge() > 0
	return nil
}

// row returns the row to write. The error wraps [ErrTooLarge].
func (c *commit) row(now time.Time) (driver.Row, error) {
	row := c.state.rowAt(now)
	c.state.now = c.state.now.Renewed()
	row.User, row.Data, row.Pending = c.state.user, c.state.now.Doc.Encode(), row.Pending || c.limited()
	if limit := c.core.options.MaxBytes; len(row.Data) > limit {
		return row, fmt.Errorf("%w: %d bytes of JSON, MaxBytes is %d; keep big things in a table of their own", ErrTooLarge, len(row.Data), limit)
	}
	return row, nil
}

func (c *commit) life() driver.Life {
	return driver.Life{Idle: c.core.timeouts.Of(c.state.user, c.state.now.Cookie)}
}

// atFirst returns the life of a row until it counts, which is short if a sign-in has to find
// out more first: no browser has the token of one that is left behind.
func (c *commit) atFirst(life driver.Life) driver.Life {
	if c.limited() {
		life.Idle = min(life.Idle, c.core.options.Timeout+time.Minute)
	}
	return life
}

// MayMerge reports whether another request saved first. One that gave the session a new
// token because of its age leaves nothing under the token before it.
func (c *commit) MayMerge(err error) bool {
	return errors.Is(err, ErrConflict) || c.core.options.RotateAfter > 0 && errors.Is(err, ErrNotFound)
}

// onTopOf applies the commit's changes to what theirs has. It runs the functions of updates.
func (c *commit) onTopOf(theirs *state) error {
	now, err := c.changes.ops.Replay(theirs.now)
	if err != nil {
		return err
	}
	c.state.row, c.state.read, c.state.base, c.state.now = theirs.row, theirs.read, theirs.base, now
	if !c.changes.user {
		c.state.user = theirs.user
	}
	return nil
}
