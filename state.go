package sessions

import (
	"cmp"

	"github.com/sqlsessions/sessions/driver"
)

// state is what the store holds as far as this request knows, and what the
// request made of it.
type state struct {
	token string     // "" until a new session needs one, and for a listed session
	row   driver.Row // zero while there is no row
	base  contents   // row.Data decoded
	now   contents   // base with the pending operations applied
	user  string
	id    driver.ID // "" until it is needed or the row is made
}

func (st *state) stored() bool { return st.row.ID != "" }

// changes are what the request did since the store was last read or written.
type changes struct {
	ops       []op
	user      bool // state.user is this request's choice
	renew     renewal
	drop      driver.Ref // the row that Destroy ended
	destroyed bool
	unsure    bool // a create was sent, and its outcome is unknown
}

func (c *changes) any() bool {
	return len(c.ops) > 0 || c.user || c.renew != renewNone || c.drop != (driver.Ref{})
}

// discard returns what remains when the rest is forgotten.
func (c *changes) discard() changes {
	return changes{drop: c.drop, destroyed: c.destroyed, unsure: c.unsure}
}

// then returns the changes of c followed by those of later.
func (c *changes) then(later changes) changes {
	if later.destroyed {
		later.drop = cmp.Or(later.drop, c.drop)
		return later
	}
	return changes{
		ops:   append(c.ops, later.ops...),
		user:  c.user || later.user,
		renew: max(c.renew, later.renew),
		drop:  c.drop, destroyed: c.destroyed, unsure: c.unsure,
	}
}

// renewal says what comes with a new token. Each includes those before it.
type renewal int

const (
	renewNone  renewal = iota
	renewToken         // and nothing else
	renewLogin         // the absolute limit and the time of authentication too
)
