package sessions

import (
	"math"
	"time"

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
