package torture_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// revoke ends sessions through the manager, in the middle of a request.
func (x *run) revoke(word, arg string) {
	ctx, user, h := x.r.Context(), x.s.User(), x.h()
	own := x.id
	call := now()
	switch word {
	case "revoke", "revokeown":
		id := own
		if word == "revoke" {
			user = arg
			id = h.sessionOf(user, x.pick)
			if x.pick(4) == 0 {
				user = "stranger" // whose session it is not
			}
		}
		if id == "" || word == "revokeown" && !x.stored {
			return
		}
		if id == own && user != "stranger" {
			user = x.storedUser()
		}
		x.ended(&event{kind: evEnd, session: id, user: &user, reason: string(sessions.ReasonRevoked)}, call, x.manager.Revoke(ctx, user, id))
	case "revokeuser", "revokeothers":
		var except []driver.ID
		if word == "revokeothers" {
			except = []driver.ID{own}
		} else {
			user = arg
		}
		if user == "" {
			return
		}
		_, err := x.manager.RevokeUser(ctx, user, except...)
		x.ended(&event{kind: evEndUser, user: &user, except: except, reason: string(sessions.ReasonRevokedUser)}, call, err)
	case "revokeall":
		_, err := x.manager.RevokeAll(ctx)
		x.ended(&event{kind: evEndUser, reason: string(sessions.ReasonRevokedUser)}, call, err)
	default:
		panic("no such step: " + word)
	}
	x.replaced(false)
}

// storedUser is the user of the own session's row.
func (x *run) storedUser() string {
	if x.login != "" { // not saved yet
		return ""
	}
	return x.s.User()
}

func (x *run) ended(e *event, call int64, err error) {
	e.call, e.ret, e.from, e.result = call, now(), x.rec, done
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		e.result = missing
	case err != nil:
		e.result, e.ret = unknown, never
		x.failed("a revocation", err)
	}
	x.h().add(e)
}

// failed looks whether a call may fail so: without a cause none does, and with one it says so.
// After the error handler has answered, the session can't be used any more.
func (x *run) failed(what string, err error) {
	if x.rec.finalErr != nil && errors.Is(err, sessions.ErrTooLate) {
		return
	}
	if x.r.Context().Err() == nil && (!x.faults || !errors.Is(err, sessions.ErrUnavailable)) {
		x.h().violationf("#%d (%s): %s fails: %v", x.rec.id, x.rec.script, what, err)
	}
}

func (x *run) list() {
	user, call := x.s.User(), now()
	if user == "" || x.login != "" {
		return
	}
	e := &event{kind: evList, user: &user, call: call, from: x.rec, result: done}
	for s, err := range x.manager.SessionsOf(x.r.Context(), user) {
		if err != nil {
			x.failed("a list", err)
			return
		}
		if s.User() != user {
			x.h().violationf("#%d listed the sessions of %s and was given one of %q", x.rec.id, user, s.User())
		}
		e.listed = append(e.listed, s.ID())
	}
	if !slices.IsSorted(e.listed) || len(slices.Compact(slices.Clone(e.listed))) != len(e.listed) {
		x.h().violationf("#%d listed the sessions of %s out of order: %v", x.rec.id, user, e.listed)
	}
	e.ret = now()
	x.h().add(e)
}

// why asks why the presented session has ended.
func (x *run) why() {
	call := now()
	reason, err := x.s.EndedReason(x.r.Context())
	if err != nil {
		x.failed("EndedReason", err)
	}
	if err != nil || reason == "" || x.rec.token == 0 {
		return
	}
	for _, c := range x.rec.cookies[1:] {
		if c.session != x.rec.session {
			return // it is that of one of the two
		}
	}
	x.h().add(&event{kind: evReason, session: x.rec.session, call: call, ret: now(), from: x.rec, reason: string(reason), result: done})
}

// stream waits for the end of the session, which must come with the reason, and must not come
// while the session is live.
func (x *run) stream(d time.Duration) {
	if !x.stored {
		return
	}
	call, ctx := now(), x.s.Context()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-ctx.Done():
	}
	var why *sessions.EndedError
	switch {
	case x.r.Context().Err() != nil:
	case !errors.As(context.Cause(ctx), &why):
		x.h().violationf("#%d: the context of a session ended with %v", x.rec.id, context.Cause(ctx))
	case why.Reason == sessions.ReasonGone: // reaped by now
	default:
		x.h().add(&event{kind: evReason, session: x.id, call: call, ret: now(), from: x.rec, reason: string(why.Reason), result: done})
	}
}
