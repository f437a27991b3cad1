package sessions

import (
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/ops"
	"github.com/sqlsessions/sessions/internal/rows"
)

// state is what the store holds as far as this request knows, and what the
// request made of it.
type state struct {
	token string       // "" until a new session needs one, and for a listed session
	row   driver.Row   // zero while there is no row
	read  time.Time    // when the durations in row were right
	base  ops.Contents // row.Data decoded
	now   ops.Contents // base with the pending operations applied
	user  string
	id    driver.ID // "" until it is needed or the row is made
}

func (st *state) stored() bool { return st.row.ID != "" }

// rowAt returns the row as it is at a time after it was read, which can be hours.
func (st *state) rowAt(now time.Time) driver.Row {
	if st.stored() {
		return rows.Aged(st.row, now.Sub(st.read))
	}
	return st.row
}

// changes are what the request did since the store was last read or written.
type changes struct {
	ops       ops.List
	user      bool // state.user is this request's choice
	renew     renewal
	ends      []driver.Row // those that Destroy ended
	old       bool         // what the request has in a predecessor's table ended too
	destroyed bool
	unsure    bool      // a write was sent, and its outcome is unknown
	since     time.Time // when the sign-in began
}

func (c *changes) any() bool {
	return c.ops.Len() > 0 || c.user || c.renew != renewNone || len(c.ends) > 0 || c.old
}

// discard returns what remains when the rest is forgotten.
func (c *changes) discard() changes {
	return changes{ends: c.ends, old: c.old, destroyed: c.destroyed, unsure: c.unsure}
}

// then returns the changes of c followed by those of later.
func (c *changes) then(later changes) changes {
	later.ends = append(slices.Clip(c.ends), later.ends...)
	later.old = c.old || later.old
	if later.destroyed {
		return later
	}
	if later.user {
		c.since = later.since
	}
	c.ops.Append(later.ops)
	return changes{
		ops:   c.ops,
		user:  c.user || later.user,
		renew: max(c.renew, later.renew),
		ends:  later.ends, old: later.old, destroyed: c.destroyed, unsure: c.unsure,
		since: c.since,
	}
}

// renewal says what comes with a new token. Each includes those before it.
type renewal int

const (
	renewNone  renewal = iota
	renewAge           // only because the token is old: the old one is accepted for a while
	renewToken         // and nothing else
	renewLogin         // the absolute limit and the time of authentication too
)

// A caller wants a session saved. All but response are told of each error.
type caller int

const (
	response caller = iota // which is about to begin
	hijack
	program // by Session.Save
)
