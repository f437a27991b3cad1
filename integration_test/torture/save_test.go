package torture_test

import (
	"errors"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions"
)

func (x *run) dirty() bool { return len(x.changes) > 0 || x.renew || x.login != "" || len(x.ends) > 0 }

// bump moves the head, if something is going to be saved.
func (x *run) bump() {
	if len(x.changes) == 0 && !x.renew && x.login == "" || x.unsure != nil {
		return
	}
	t := x.next()
	headKey.Update(x.s, func(h head) head { return h.moved(t) })
	x.changes = append(x.changes, mutation{what: 'h', tag: t})
}

// begin returns the event of a save that begins, or the one that failed before.
func (x *run) begin() *event {
	x.bump()
	e := x.unsure
	if e == nil {
		e = &event{kind: evCommit, session: x.id, call: now(), ret: never, from: x.rec, token: x.held, create: !x.stored}
	}
	if x.first == 0 {
		x.first = e.call
	}
	e.changes, e.login, e.pending = slices.Clone(x.changes), x.login, x.login != "" && x.comes && x.world.limit > 0
	if (x.renew || e.create) && e.newToken == 0 {
		e.newToken = x.h().unsent()
	}
	return e
}

func (x *run) commit(save func() error) {
	call, saves := now(), len(x.changes) > 0 || x.renew || x.login != ""
	e := x.begin()
	err := save()
	x.settle(e, call, saves, err)
}

// settle notes what became of a save.
func (x *run) settle(e *event, call int64, saves bool, err error) {
	ret, h := now(), x.h()
	isEnded := errors.Is(err, sessions.ErrEnded) && !errors.Is(err, sessions.ErrUnavailable)
	var why *sessions.EndedError
	signIn := e.login != "" && errors.As(err, &why) // it may have been stored and ended then
	nothing := errors.Is(err, sessions.ErrConflict)
	ends := x.ends
	if x.login != "" {
		ends = slices.Concat(ends, x.others)
	}
	for _, id := range ends {
		end := &event{kind: evEnd, session: id, call: call, ret: never, from: x.rec, reason: string(sessions.ReasonLogout)}
		if err == nil {
			end.result, end.ret = done, ret
		}
		h.add(end)
	}
	switch {
	case err == nil && x.login != "":
		x.ends, x.others = nil, nil
	case err == nil:
		x.ends = nil
	}
	if x.world.rotate && err != nil && (!isEnded || x.faults) && x.stored && !x.renew { // the token may have been replaced too, for its age
		h.add(&event{kind: evRotate, session: x.id, call: call, ret: never, from: x.rec, token: x.held})
	}
	if !saves {
		return
	}
	if err == nil {
		e = x.moved(e)
	}
	added := x.unsure != nil
	switch {
	case err == nil:
		see := &event{kind: evSee, session: e.session, call: call, ret: ret, from: x.rec, seen: look(x.s), result: done}
		h.add(see)
		e.result, e.ret = done, ret
		if see.seen.ID != e.session {
			h.violationf("#%d (%s) saved %s and has %s", x.rec.id, x.rec.script, e.session, see.seen.ID)
		}
		if e.newToken != 0 {
			x.held, x.rec.sure = e.newToken, true
			x.fresh = append(x.fresh, e)
		}
		x.stored, x.changes, x.renew, x.login, x.unsure = true, nil, false, "", nil
	case isEnded && !added && x.faults && e.login != "" && !signIn: // why is not known, so neither is whether it was stored
		h.add(&event{kind: evEnd, session: e.session, call: e.call, ret: never, from: x.rec, reason: string(sessions.ReasonRevokedUser)})
	case isEnded && !signIn && !e.create && !added:
		e.result, e.ret = refused, ret
		x.unsure = nil
	case errors.Is(err, sessions.ErrLimit): // before it was stored, or after
		x.unsure = e
		x.inDoubt(e)
	case isEnded && signIn:
		e.ret, e.reason = ret, string(why.Reason)
		if strings.Contains(err.Error(), "\n") { // joined: it could not be ended, and no browser has its token
			e.ret = never
			x.rec.unended = true
		}
		h.add(&event{kind: evEnd, session: e.session, call: e.call, ret: e.ret, from: x.rec, reason: e.reason})
		x.unsure = e
	case nothing && !added:
		x.unsure = nil
		return
	default:
		x.unsure = e
		if e.login != "" && !added {
			x.inDoubt(e)
		}
	}
	x.taken = x.taken || x.unsure != nil && e.create
	if e.pending && e.result != refused {
		h.add(&event{kind: evActivate, session: e.session, call: e.call, ret: activated(e), from: x.rec, newToken: e.newToken, result: e.result})
	}
	if !added {
		h.add(e)
	}
}

// inDoubt notes that a sign-in may have been stored, and its session ended again. What failed
// last tells the caller; for which reason the session was to end then is not known.
func (x *run) inDoubt(e *event) {
	for _, reason := range []sessions.Reason{sessions.ReasonEvicted, sessions.ReasonUnfinished, sessions.ReasonRevokedUser} {
		x.h().add(&event{kind: evEnd, session: e.session, call: e.call, ret: never, from: x.rec, reason: string(reason)})
	}
}

func activated(e *event) int64 {
	if e.result == done {
		return e.ret
	}
	return never
}

// moved returns the event of a new session that got another ID, because the one that it had was
// taken by an earlier save whose outcome is unknown: its row does not count yet, because of
// the limit, or has ended.
func (x *run) moved(e *event) *event {
	id := x.s.ID()
	if !x.taken || !e.create || id == e.session {
		return e
	}
	if x.rec.moved, x.taken, x.unsure, x.id = true, false, nil, id; !x.faults && e.login == "" {
		x.h().violationf("#%d (%s) gave a new session another ID, from %v to %s", x.rec.id, x.rec.script, e, id)
	}
	other := *e
	other.session, other.newToken = id, x.h().unsent()
	return &other
}
