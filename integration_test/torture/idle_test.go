package torture_test

import (
	"time"

	"github.com/sqlsessions/sessions"
)

// In a world where sessions expire by themselves: when, and how much less than that is enough
// for a session in use.
const (
	idleTimeout   = time.Second
	absoluteLimit = 3 * time.Second
	touchInterval = 100 * time.Millisecond
)

// apart is how far the clocks of the database and of the test may run apart in a round.
const apart = int64(100 * time.Millisecond)

// An expiry is when a session ends by itself: not before from, and at by at the latest.
type expiry struct{ from, by int64 }

var noExpiry = expiry{never, never}

// in returns when a session expires of which the time began between two moments.
func in(call, ret int64, d time.Duration) expiry {
	if ret == never {
		return expiry{call + int64(d), never}
	}
	return expiry{call + int64(d), ret + int64(d)}
}

// later is the expiry after something that can only move it forward.
func (x expiry) later(y expiry) expiry { return expiry{max(x.from, y.from), max(x.by, y.by)} }

// mayBeOver reports whether it may have expired before a moment, and mayBeAhead whether it may
// expire after one.
func (x expiry) mayBeOver(ret int64) bool   { return x.from != never && ret >= x.from-apart }
func (x expiry) mayBeAhead(call int64) bool { return x.by == never || call <= x.by+apart }

// mayHaveExpired reports whether the session may have expired before a moment, and mayLive
// whether it may not have at another.
func (s *state) mayHaveExpired(ret int64) bool {
	return s.idle.mayBeOver(ret) || s.absolute.mayBeOver(ret)
}

func (s *state) mayLive(call int64) bool {
	return s.idle.mayBeAhead(call) && s.absolute.mayBeAhead(call)
}

// saved moves the expiry of a session that a commit stored, which another request may have moved
// further already. Signing in restarts the absolute limit.
func (s *state) saved(e *event) {
	if !s.expires {
		return
	}
	if s.used(e.call, e.ret); e.create {
		s.idle = in(e.call, e.ret, idleTimeout)
	}
	if e.create || e.login != "" {
		s.absolute = in(e.call, e.ret, absoluteLimit)
	}
}

// used moves the expiry of a session that was used, by how much that may be at least and at
// most.
func (s *state) used(call, ret int64) {
	if s.expires {
		s.idle = s.idle.later(in(call, ret, idleTimeout))
	}
}

// gaveUp reports whether the session may have ended for a reason before a moment.
func (s *state) gaveUp(reason string, ret int64) bool {
	switch {
	case s.phase == absent:
		return false
	case s.phase == ended && s.reason == reason:
		return true
	case s.phase == ended && !s.late:
		return false
	}
	return reason == string(sessions.ReasonIdle) && s.idle.mayBeOver(ret) || reason == string(sessions.ReasonLifetime) && s.absolute.mayBeOver(ret)
}
