package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/sqlsessions/sessions/internal/gate"
)

// Joins reports whether another request's save may carry the commit's changes: those of
// values and the cookie's attributes, and nothing that concerns the token or the user.
func (c *commit) Joins() bool { return c.changes.renew == renewNone && !c.changes.user }

// Follows reports whether the commit's changes can be put on top of what another commit stores.
func (c *commit) Follows(other gate.Save) bool {
	return other.(*commit).state.row.Ref == c.state.row.Ref && !c.changes.unsure
}

// Follow puts them there.
func (c *commit) Follow(other gate.Save) error {
	err := c.onTopOf(&other.(*commit).state)
	if err == nil {
		_, err = c.row(time.Now()) // what is too large must not be the others' fault
	}
	return err
}

// Carried takes over what became of the commit whose statement carried the changes along.
func (c *commit) Carried(by gate.Save, err error) {
	if c.changes.unsure = unknown(err); err != nil {
		return
	}
	stored := &by.(*commit).state
	c.state.row, c.state.read, c.state.now = stored.row, stored.read, stored.now
	c.saved(true, false)
}

// Shared reports whether an error is none of the changes' own.
func (c *commit) Shared(err error) bool { return errors.Is(err, ErrNotFound) || unknown(err) }

// Copy returns the state that the commit would store.
func (c *commit) Copy() gate.Save { return &commit{state: c.state} }

// Stored returns the state that was stored.
func (c *commit) Stored() gate.Save {
	return &commit{state: state{row: c.state.row, read: c.state.read, base: c.state.now, now: c.state.now, user: c.state.user}}
}

// Rebase loads the row again and puts the commit's changes on top. It reports
// whether they still change anything.
func (c *commit) Rebase(ctx context.Context) (changed bool, err error) {
	theirs, err := c.core.load(ctx, c.state.row.Ref)
	if err != nil {
		return false, err
	}
	if err = c.onTopOf(&theirs); err != nil {
		return false, err
	}
	c.fate.Outdated = c.fate.Outdated || theirs.row.Previous
	if c.changes.renew == renewAge && theirs.row.VerifierAge < c.core.options.RotateAfter {
		c.changes.renew = renewNone
	}
	return c.changes.renew != renewNone || c.dirty(), nil
}
