package sessions

import (
	"math"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/wire"
)

// A policy says how long a session lives and when its idle expiry moves.
type policy struct {
	wire.Policy
	idleTimeout, lifetime, touchEvery time.Duration
}

func newPolicy(p wire.Policy, o *Options) policy {
	lifetime := o.Lifetime
	if p.Endless {
		lifetime = math.MaxInt64
	}
	return policy{p, o.IdleTimeout, lifetime, o.TouchInterval}
}

// touchInterval is [Options].TouchInterval, or a tenth of the session's own idle
// timeout if that is shorter than the manager's.
func (p *policy) touchInterval(a wire.Attributes) time.Duration {
	if idle := a.Idle(); idle < p.idleTimeout {
		return min(p.touchEvery, idle/10)
	}
	return p.touchEvery
}

// touchDue reports whether the expiry has fallen behind by a touch interval and
// may still move.
func (p *policy) touchDue(st *state) bool {
	if !st.stored() {
		return false
	}
	full := min(st.now.cookie.Idle(), st.row.AbsoluteIn)
	return full-st.row.ExpiresIn >= p.touchInterval(st.now.cookie)
}

// fresh returns what a new session consists of. r is nil outside of a request.
func (c *core) fresh(r *http.Request) (contents, error) {
	a, err := c.protocol.Fresh(r)
	return contents{document.New(c.protocol.Member(), a.JSON()), a}, err
}
