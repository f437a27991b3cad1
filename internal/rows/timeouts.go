package rows

import (
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/wire"
)

// Timeouts say how long sessions live that are not used, and how often their use is noted.
type Timeouts struct {
	Idle    time.Duration // of a session whose cookie says nothing else
	Visitor time.Duration // the most for a session without a user; 0: as for a user's
	Touch   time.Duration // between two touches
}

// Of returns how long the session of a user, or of a visitor if that is "", lives unless it
// is used. Its cookie has these attributes.
func (t *Timeouts) Of(user string, a wire.Attributes) time.Duration {
	if user == "" && t.Visitor > 0 {
		return min(a.Idle(), t.Visitor)
	}
	return a.Idle()
}

// Interval returns the time between two touches of a session that lives for idle: Touch, or
// a tenth of idle if its own cookie makes that shorter than both timeouts.
func (t *Timeouts) Interval(idle time.Duration) time.Duration {
	shortest := t.Idle
	if t.Visitor > 0 {
		shortest = min(shortest, t.Visitor)
	}
	if idle < shortest {
		return min(t.Touch, idle/10)
	}
	return t.Touch
}

// Due reports whether the idle expiry of a row has fallen behind by a touch interval, or the
// row was last seen that long ago, although its expiry can't move any more.
func (t *Timeouts) Due(row driver.Row, a wire.Attributes) bool {
	idle := t.Of(row.User, a)
	behind := min(idle, row.AbsoluteIn) - row.ExpiresIn
	return max(behind, row.LastSeenAge) >= t.Interval(idle)
}
