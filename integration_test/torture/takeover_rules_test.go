package torture_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// A lineage is a session from where it began, in Express or with a sign-in here, to its end. Its
// name is one of its values, so it is known wherever it is.
type lineage struct {
	name, user string
	begin      *visit // the sign-in that began it, or nil
	first      tag

	adds     []addition // to its log
	endings  []span
	renewals []renewal // sign-ins that give it a new token
	ids      map[driver.ID]bool
	cookies  int64 // when its new cookie was first sent
}

// An addition is a value that one request adds to the log of a session.
type addition struct {
	tag
	span
}

type renewal struct {
	by *visit
	span
}

// ended reports whether the session had surely ended by then.
func (l *lineage) ended(by int64) bool {
	return slices.ContainsFunc(l.endings, func(s span) bool { return s.ret < by })
}

// lives reports whether it surely lived until then.
func (l *lineage) lives(until int64) bool {
	return !slices.ContainsFunc(l.endings, func(s span) bool { return s.call < until })
}

// An issue is how a cookie came to be: with a take-over, from the beginning, or with a sign-in.
type issue struct {
	of   *lineage
	by   *visit
	span // zero for a take-over
}

// opens reports whether a token that was issued so surely opens its session until then.
func (i issue) opens(until int64) bool {
	return i.of.lives(until) && !slices.ContainsFunc(i.of.renewals, func(r renewal) bool {
		return r.by != i.by && r.call < until && r.ret > i.call
	})
}

// dead reports whether it surely opens nothing any more at a time.
func (i issue) dead(at int64) bool {
	return i.of.ended(at) || slices.ContainsFunc(i.of.renewals, func(r renewal) bool {
		return r.by != i.by && r.call >= i.ret && r.ret < at
	})
}

// A judge finds what is wrong with a trip.
type judge struct {
	*trip
	issues   map[string]issue
	problems []string
}

func (j *judge) faultf(v *visit, format string, args ...any) {
	j.problems = append(j.problems, fmt.Sprintf("%s, by %v: "+format, append([]any{j.lineages[v.of.express.name].name, v}, args...)...))
}

func (v *visit) String() string {
	s := fmt.Sprintf("%s %d with the cookies old %v, %.9q from %v to %v, answered %d (%v)", v.op, v.number, v.old, v.cookie,
		time.Duration(v.call), time.Duration(v.ret), v.status, v.err)
	if v.seen != nil {
		s += fmt.Sprintf(", seen %+v", *v.seen)
	}
	return s
}

// check finds what could not have happened, from what was seen and what is left.
func (t *trip) check(rows []driver.Row) []string {
	j := &judge{trip: t, issues: map[string]issue{}}
	slices.SortFunc(t.visits, func(a, b *visit) int { return int(a.ret - b.ret) })
	for _, v := range t.visits {
		j.begins(v)
	}
	for _, v := range t.visits {
		j.renews(v)
	}
	for _, v := range t.visits {
		j.ends(v)
	}
	for _, r := range t.revocations {
		for _, l := range t.lineages {
			if l.user == r.user && (l.begin == nil || l.begin.call < r.ret) {
				end := r.span
				if l.begin != nil && l.begin.ret > r.call { // it may have begun later
					end.ret = never
				}
				l.endings = append(l.endings, end)
			}
		}
	}
	for _, v := range t.visits {
		j.judge(v)
	}
	j.left(rows)
	return j.problems
}

// begins notes the sessions that began, and the cookies that were sent for the first time. A
// request that takes a session over and then fails is answered with the new cookie.
func (j *judge) begins(v *visit) {
	var l *lineage
	switch {
	case v.seen == nil:
	case v.status != http.StatusOK:
		l = j.lineages[v.seen.birth]
	case v.op == "login" && v.after.birth == v.births:
		l = &lineage{name: v.births, user: v.user, begin: v, first: tag(v.number)}
		j.lineages[l.name] = l
	default:
		l = j.lineages[v.after.birth]
	}
	if _, known := j.issues[v.token]; l != nil && v.token != "" && !known {
		i := issue{of: l}
		if v.op == "login" {
			i.span = v.at()
		}
		if v.op == "login" && v.status == http.StatusOK {
			i.by = v
		}
		j.issues[v.token] = i
	}
	if i, known := j.issues[v.cookie]; known && (i.of.cookies == 0 || v.call < i.of.cookies) {
		i.of.cookies = v.call
	}
}

// at is when what a visit does takes effect.
func (v *visit) at() span {
	if v.status != http.StatusOK {
		return span{v.call, never}
	}
	return span{v.call, v.ret}
}

// renews notes what was added, and which sessions a sign-in gave another token.
func (j *judge) renews(v *visit) {
	if v.seen == nil || j.lineages[v.seen.birth] == nil {
		return
	}
	l, again := j.lineages[v.seen.birth], v.op == "login" && v.user == v.seen.user
	if v.op == "add" || again {
		l.adds = append(l.adds, addition{tag(v.number), v.at()})
	}
	if again {
		l.renewals = append(l.renewals, renewal{v, v.at()})
		if v.status != http.StatusOK { // a revocation may have got in between
			l.endings = append(l.endings, v.at())
		}
	}
}

// ends notes which sessions a logout or a sign-in ended.
func (j *judge) ends(v *visit) {
	if v.seen == nil || v.op != "logout" && v.op != "login" {
		return
	}
	seen := j.lineages[v.seen.birth]
	if seen != nil && (v.op == "logout" || v.user != v.seen.user) {
		seen.endings = append(seen.endings, v.at())
	}
	if other := v.of.express; v.old && other != seen {
		end := v.at()
		if seen == nil || !j.old(v.of).opens(v.ret) { // what an old cookie does not open it does not end
			end.ret = never
		}
		other.endings = append(other.endings, end)
	}
}

// old is the old cookie of a browser.
func (j *judge) old(b *browser) issue { return issue{of: b.express} }

// judge applies the rules to one visit.
func (j *judge) judge(v *visit) {
	if v.calm && v.status != http.StatusOK {
		j.faultf(v, "when all faults are over")
	}
	if own := v.seen != nil && v.seen.birth == v.of.express.name; v.token != "" && v.status != http.StatusOK && (!v.old || !own) {
		j.faultf(v, "a failure carries a cookie, %.9q", v.token)
	}
	own, known := j.issues[v.cookie]
	old := j.old(v.of)
	var expected *lineage // what has to be seen
	switch {
	case known && own.opens(v.ret):
		expected = own.of
	case v.cookie == "" && v.old && old.opens(v.ret) && (old.of.cookies == 0 || v.ret-old.of.cookies < int64(50*time.Second)):
		expected = old.of
	}
	if v.seen == nil || v.status != http.StatusOK {
		if expected != nil && errors.Is(v.err, sessions.ErrEnded) {
			j.faultf(v, "logged out, and nothing ended the session")
		}
		return
	}
	if v.seen.birth == "" {
		if expected != nil {
			j.faultf(v, "logged out, and nothing ended %s", expected.name)
		}
		return
	}
	l := j.lineages[v.seen.birth]
	byOwn, byOld := known && own.of == l, v.old && old.of == l
	switch {
	case l == nil:
		j.faultf(v, "a session that was never signed in")
		return
	case !byOwn && !byOld, expected != nil && expected != l:
		j.faultf(v, "another's session")
	case v.seen.user != l.user:
		j.faultf(v, "another user than %s", l.user)
	case l.ended(v.call):
		j.faultf(v, "signed in again, after all had ended: %v", l.endings)
	case (!byOwn || own.dead(v.call)) && (!byOld || old.dead(v.call)):
		j.faultf(v, "signed in with a cookie that a later sign-in replaced")
	}
	if l.ids == nil {
		l.ids = map[driver.ID]bool{}
	}
	if l.ids[v.seen.id] = true; len(l.ids) > 1 {
		j.faultf(v, "two sessions from one: %v", l.ids)
	}
	j.values(v, l)
}

// values checks what is in a session.
func (j *judge) values(v *visit, l *lineage) {
	log := v.seen.log
	if len(log) == 0 || log[0] != l.first {
		j.faultf(v, "lost what was there at first, %v", l.first)
		return
	}
	for i, a := range log[1:] {
		if slices.Contains(log[:i+1], a) {
			j.faultf(v, "added twice: %v", a)
		}
		if !slices.ContainsFunc(l.adds, func(known addition) bool { return known.tag == a && known.call < v.ret }) {
			j.faultf(v, "not added here: %v", a)
		}
	}
	for _, a := range l.adds {
		if a.ret < v.call && !slices.Contains(log, a.tag) {
			j.faultf(v, "lost %v", a)
		}
	}
}

// left checks that there is one row for a session at most.
func (j *judge) left(rows []driver.Row) {
	seen := map[string]driver.ID{}
	for _, row := range rows {
		birth := birthIn(row.Data)
		if other, twice := seen[birth]; twice && birth != "" {
			j.problems = append(j.problems, fmt.Sprintf("two sessions from one: %s is in the rows %s and %s", birth, other, row.ID))
		}
		seen[birth] = row.ID
	}
}
