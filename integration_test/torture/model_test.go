package torture_test

import (
	"fmt"
	"hash/maphash"

	"github.com/anishathalye/porcupine"
)

type phase int8

const (
	absent  phase = iota
	pending       // a sign-in under a limit that is not certain yet
	live
	ended
)

// A state is what a session is, by the promises.
type state struct {
	phase  phase
	user   string
	values values
	token  int   // the one that opens it
	before int   // the one before it, if that was replaced for its age
	until  int64 // when that one opens it no more, at the latest
	sure   int64 // and at the earliest
	reason string

	expires        bool   // by itself, in this world
	idle, absolute expiry // if it does
	late           bool   // it may have expired before it was ended
}

// lostToken is a token that no browser holds. A save of unknown outcome may have made it, to
// replace one because of its age.
const lostToken = -1

// The grace of a token that was replaced for its age, and how far apart two clocks may be
// that measure it.
const grace, slack = 30e9, 1e9

func (s *state) apply(changes []mutation) {
	for _, m := range changes {
		switch m.what {
		case 's':
			s.values.Reg[m.reg] = m.tag
		case 'd':
			s.values.Reg[m.reg] = 0
		case 'c':
			s.values = values{}
		case 'h':
			s.values.Head = s.values.Head.moved(m.tag)
		}
	}
}

// opens reports whether a token may open the session at some moment of an interval.
func (s *state) opens(token int, call int64) bool {
	return s.phase == live && s.mayLive(call) && (token == s.token || token != 0 && token == s.before && call < s.until)
}

// closed reports whether a token may fail to open it.
func (s *state) closed(token int, ret int64) bool {
	return s.phase != live || s.mayHaveExpired(ret) || token != s.token && (token != s.before || ret > s.sure)
}

func (s *state) shows(v *view) bool {
	return v == nil || s.user == v.User && s.values == v.Values
}

func (s *state) end(reason string, ret int64) {
	if s.phase == live || s.phase == pending {
		*s = state{phase: ended, reason: reason, expires: s.expires, idle: s.idle, absolute: s.absolute, late: s.mayHaveExpired(ret)}
	}
}

// step applies an event and reports whether it is possible. What is not known to have
// happened happens if it can; if it did not, it comes after everything else.
func (s *state) step(e *event) bool {
	switch e.kind {
	case evLoad:
		if e.result == missing {
			return s.closed(e.token, e.ret)
		}
		could := s.opens(e.token, e.call) && s.shows(e.seen)
		s.used(0, e.from.touched) // if it is touched
		return could
	case evUsed:
		if s.phase == live && !s.mayHaveExpired(e.ret) { // in time
			s.used(e.since-int64(touchInterval), 0)
		}
	case evSee:
		return (s.phase == live || s.phase == pending) && s.shows(e.seen)
	case evTouch:
		if e.result == refused { // also by a token that was replaced for its age
			return s.phase != live || s.mayHaveExpired(e.ret) || e.token != s.token
		}
		switch {
		case !s.opens(e.token, e.call):
			return e.result == unknown
		case e.result == done:
			s.used(e.call-int64(touchInterval), e.ret)
		default:
			s.used(0, never)
		}
	case evCommit:
		return s.commit(e)
	case evRotate:
		switch {
		case e.result == unknown:
			if s.phase == live && e.token == s.token {
				s.before, s.token, s.until, s.sure = s.token, lostToken, never, e.call+grace-slack
			}
		case !s.opens(e.token, e.call):
			return false
		default:
			s.before, s.token, s.until, s.sure = s.token, e.newToken, e.ret+grace+slack, e.call+grace-slack
		}
	case evEnd:
		hits := (s.phase == live || s.phase == pending) && (e.user == nil || *e.user == s.user)
		switch {
		case e.result == missing:
			return !hits || s.mayHaveExpired(e.ret)
		case hits:
			s.end(e.reason, e.ret)
		case e.result == done: // it was sent twice; or it is a logout, for which it is enough that the session has ended
			return s.phase == ended && (e.user == nil || s.reason == e.reason)
		}
	case evActivate:
		if s.phase == pending && s.token == e.newToken {
			s.phase = live
			s.used(e.call, e.ret)
			return true
		}
		return e.result == unknown
	case evEndUser:
		if e.user == nil || *e.user == s.user {
			s.end(e.reason, e.ret)
		}
	case evList:
		is := s.phase == live && s.user == *e.user
		if e.result == done {
			return is && s.mayLive(e.call)
		}
		return !is || s.mayHaveExpired(e.ret)
	case evReason:
		return s.gaveUp(e.reason, e.ret)
	case evRow:
		switch {
		case e.seen != nil:
			return (s.phase == live && !e.pending || s.phase == pending && e.pending) && s.mayLive(e.call) && s.shows(e.seen)
		case e.reason != "":
			return s.gaveUp(e.reason, e.ret)
		}
		return s.phase == absent || s.phase == ended || s.mayHaveExpired(e.ret)
	}
	return true
}

func (s *state) commit(e *event) bool {
	may := s.opens(e.token, e.call)
	if e.create {
		may = s.phase == absent
	}
	switch {
	case e.result == refused:
		return !e.create && s.closed(e.token, e.ret)
	case !may:
		return e.result == unknown
	case e.after != nil && s.values.Head.Last[0] != *e.after:
		return e.result == unknown && e.ret == never
	}
	if s.phase = live; e.pending {
		s.phase = pending
	}
	if e.login != "" {
		s.user = e.login
	}
	if e.newToken != 0 {
		s.token, s.before = e.newToken, 0
	}
	s.apply(e.changes)
	s.saved(e)
	return true
}

// initial is the state of a session that does not exist yet.
func (r *round) initial() state {
	return state{expires: r.short, idle: noExpiry, absolute: noExpiry}
}

func (r *round) model() porcupine.Model {
	m := model
	m.Init = func() any { return r.initial() }
	return m
}

var model = porcupine.Model{
	Step: func(before, input, _ any) (bool, any) {
		s := before.(state)
		ok := s.step(input.(*event))
		return ok, s
	},
	Equal: func(a, b any) bool { return a.(state) == b.(state) },
	Hash:  func(s any) uint64 { return maphash.Comparable(hashSeed, s.(state)) },
	DescribeOperation: func(input, _ any) string {
		return input.(*event).String()
	},
	DescribeState: func(s any) string { return describe(s.(state)) },
}

var hashSeed = maphash.MakeSeed()

func describe(s state) string {
	switch s.phase {
	case absent:
		return "absent"
	case ended:
		return fmt.Sprintf("ended (%s)", s.reason)
	}
	return fmt.Sprintf("%s: user %q, token %d, %v", map[phase]string{pending: "pending", live: "live"}[s.phase], s.user, s.token, s.values)
}
