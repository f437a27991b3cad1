package torture_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// rules checks what concerns more than one session, or none.
func (r *round) rules(h *history, parts map[driver.ID][]*event, left []*event, v *verdict) {
	fault := func(format string, args ...any) { v.problems = append(v.problems, fmt.Sprintf(format, args...)) }
	for _, rec := range h.records {
		r.answered(rec, fault)
	}
	var revocations []*event
	signIns := map[driver.ID][]*event{}
	for _, e := range h.events {
		switch {
		case e.kind == evEndUser:
			revocations = append(revocations, e)
		case e.kind == evCommit && e.login != "":
			signIns[e.session] = append(signIns[e.session], e)
		}
	}
	for _, rev := range revocations {
		if rev.result == done {
			outlived(rev, parts, signIns, fault)
		}
	}
	for _, all := range signIns {
		for _, in := range all {
			r.refusal(in, all, revocations, v, fault)
		}
	}
	if v.stalled > 3+v.revoked/10 {
		fault("%d sign-ins that began after a revocation were refused, and %d that began before it", v.stalled, v.revoked)
	}
	if r.limit > 0 {
		r.limits(parts, left, fault)
	}
}

// answered checks the status of an answer and its cookie.
func (r *round) answered(rec *record, fault func(string, ...any)) {
	err := rec.loadErr
	if err == nil {
		err = rec.finalErr
	}
	want := http.StatusOK
	switch {
	case err == nil:
	case errors.Is(err, sessions.ErrLimit):
		want = http.StatusTooManyRequests
	case errors.Is(err, sessions.ErrEnded) && rec.loadErr == nil:
		want = http.StatusConflict
	case errors.Is(err, sessions.ErrUnavailable), errors.Is(err, sessions.ErrConflict):
		want = http.StatusServiceUnavailable
	default:
		fault("#%d (%s) failed with %v", rec.id, rec.script, err)
	}
	if err != nil && !r.faults && want == http.StatusServiceUnavailable {
		fault("#%d (%s) failed without a fault: %v", rec.id, rec.script, err)
	}
	if rec.status == 0 || rec.cut {
		late := strings.Contains(rec.script, "write") // what is changed after it may have no other answer
		if rec.patient && rec.in > 0 && !late && !strings.Contains(rec.script, "panic") {
			fault("#%d (%s) got no answer, or not all of it", rec.id, rec.script)
		}
		if rec.status == 0 {
			return
		}
	}
	if rec.status != want {
		fault("#%d (%s) was answered %d, want %d (%v)", rec.id, rec.script, rec.status, want, err)
	}
	if rec.status >= http.StatusInternalServerError && rec.setCookie && !rec.sure {
		fault("#%d (%s) was answered %d with a cookie", rec.id, rec.script, rec.status)
	}
}

// outlived finds sessions of a revoked user that were seen after the revocation, although they
// were signed in by a request that had begun before it. A request may
// revoke the user and then sign the user in.
func outlived(rev *event, parts map[driver.ID][]*event, signIns map[driver.ID][]*event, fault func(string, ...any)) {
	for id, events := range parts {
		if slices.Contains(rev.except, id) {
			continue
		}
		for _, e := range events {
			if e.seen == nil || e.call <= rev.ret || e.seen.User == "" || rev.user != nil && *rev.user != e.seen.User || e.kind == evRow {
				continue
			}
			later := func(in *event) bool {
				return in.login == e.seen.User && (in.from == rev.from || in.from.entered > rev.call)
			}
			if !slices.ContainsFunc(signIns[id], later) {
				fault("session %s was signed in before a revocation and was seen after it:\n    %v\n    %v\n    %v", id, signIns[id], rev, e)
				break
			}
		}
	}
}

// refusal finds out whether a sign-in that was refused could have been. Others may have signed
// the same session in, and their user been revoked.
func (r *round) refusal(in *event, others, revocations []*event, v *verdict, fault func(string, ...any)) {
	if in.reason != string(sessions.ReasonRevokedUser) {
		if in.reason == string(sessions.ReasonEvicted) && r.limit == 0 {
			fault("a sign-in was refused by a limit that there is not:\n    %v", in)
		}
		return
	}
	matching, overlaps := false, false
	for _, rev := range revocations {
		whose := func(o *event) bool { return rev.user == nil || *rev.user == o.login }
		if !slices.ContainsFunc(others, whose) || rev.call > in.ret {
			continue
		}
		matching = true
		overlaps = overlaps || rev.ret >= in.from.in
	}
	switch {
	case overlaps:
		v.revoked++
	case matching:
		v.stalled++
	default:
		fault("a sign-in was refused as revoked, and nothing was revoked before:\n    %v", in)
	}
}

// limits checks that no session was evicted without need, and no sign-in refused.
func (r *round) limits(parts map[driver.ID][]*event, left []*event, fault func(string, ...any)) {
	lives := map[string][]*life{}
	var evicted []*life
	for _, e := range left {
		l := lifeOf(parts[e.session], e)
		for user := range l.users {
			lives[user] = append(lives[user], l)
		}
		if e.reason == string(sessions.ReasonEvicted) {
			evicted = append(evicted, l)
		}
	}
	for _, rec := range r.history.records {
		if _, user, signsIn := strings.Cut(rec.script, "login:"); signsIn && rec.status == http.StatusTooManyRequests {
			user, _, _ = strings.Cut(user, " ")
			others := 0
			for _, o := range lives[user] {
				own := !slices.ContainsFunc(o.signIns, func(by *record) bool { return by != rec })
				if o.from <= rec.out && o.to >= rec.in && !own {
					others++
				}
			}
			if others < r.limit && strings.Count(rec.script, "login:") == 1 {
				fault("#%d (%s) was refused as one too many, and %s had %d sessions", rec.id, rec.script, user, others)
			}
		}
	}
	for _, l := range evicted {
		most := 0
		for user := range l.users {
			others := 0
			for _, o := range lives[user] {
				if o != l && o.from <= l.to && o.to >= l.from {
					others++
				}
			}
			most = max(most, others)
		}
		if r.refuse && l.answered {
			fault("session %s of %v was evicted, although new ones are refused", l.id, l.users)
		}
		if most < r.limit {
			fault("session %s of %v was evicted, and there were %d others", l.id, l.users, most)
		}
	}
}

// A life is when a session may have been a user's.
type life struct {
	id       driver.ID
	users    map[string]bool
	from, to int64
	signIns  []*record
	answered bool // one of them with success
}

func lifeOf(events []*event, row *event) *life {
	l := &life{id: row.session, users: map[string]bool{}, from: never, to: row.ret}
	for _, e := range events {
		if e.kind == evCommit && e.login != "" {
			l.users[e.login] = true
			l.from = min(l.from, e.call)
			l.signIns = append(l.signIns, e.from)
			l.answered = l.answered || e.result == done
		}
		if e.kind == evEnd && e.result == done && e.user == nil {
			l.to = min(l.to, e.ret)
		}
	}
	return l
}
