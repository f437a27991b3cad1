package torture_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// checkTime bounds the search for an order of one session's events. It is far more than one
// takes, because the heads tell the order.
const checkTime = 5 * time.Second

// A verdict is what came of checking a round.
type verdict struct {
	problems  []string
	sessions  int
	events    int
	undecided int // sessions for which no order was found in time
	stalled   int // sign-ins after a revocation that were refused all the same
	revoked   int // and those that were refused because they had begun before
}

// rows returns what is left of the round's sessions in the database, as events.
func (r *round) rows() (left []*event) {
	r.Helper()
	h, call := r.history, now()
	live := map[driver.ID]driver.Row{}
	for after := driver.ID(""); ; {
		var rows []driver.Row
		r.surely(func() (err error) {
			rows, err = r.admin.Store.List(r.Context(), driver.ListRequest{All: true, After: after, Limit: 1000})
			return err
		})
		for _, row := range rows {
			after = row.ID
			if h.sessions[row.ID] {
				live[row.ID] = row
			}
		}
		if len(rows) < 1000 {
			break
		}
	}
	var refs []driver.Ref
	for id := range h.sessions {
		if _, is := live[id]; !is {
			refs = append(refs, driver.Ref{ID: id})
		}
	}
	reasons := map[driver.ID]string{}
	for page := range slices.Chunk(refs, 100) {
		var endings []driver.Ending
		r.surely(func() (err error) {
			endings, err = r.admin.Store.Endings(r.Context(), page)
			return err
		})
		for _, e := range endings {
			switch {
			case e.Gone:
			case e.Reason != "":
				reasons[e.ID] = e.Reason
			case e.Idle:
				reasons[e.ID] = string(sessions.ReasonIdle)
			default:
				reasons[e.ID] = string(sessions.ReasonLifetime)
			}
		}
	}
	for id := range h.sessions {
		e := &event{kind: evRow, session: id, call: call, ret: now(), result: done, reason: reasons[id]}
		if row, is := live[id]; is {
			e.seen = &view{ID: id, User: row.User, Values: decode(row.Data)}
			e.pending = row.Pending
		}
		left = append(left, e)
	}
	return left
}

// surely does something as the administrator, whose connections may have been killed too.
func (w *world) surely(do func() error) {
	w.Helper()
	var err error
	for range 50 {
		if err = do(); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.Error(err) // not Fatal: the faults have a goroutine of their own
}

func decode(data []byte) (v values) {
	var doc struct {
		A    tag  `json:"a"`
		B    tag  `json:"b"`
		C    tag  `json:"c"`
		Head head `json:"head"`
	}
	_ = json.Unmarshal(data, &doc)
	return values{[3]tag{doc.A, doc.B, doc.C}, doc.Head}
}

// check checks a round whose requests are over.
func (r *round) check() *verdict {
	left := r.rows()
	h := r.history
	h.mu.Lock()
	defer h.mu.Unlock()
	v := &verdict{problems: slices.Clone(h.wrong), sessions: len(h.sessions), events: len(h.events)}
	parts := partition(h, r.lasting(h.events, h.kills), left, r.faults)
	for id, events := range parts {
		ops := make([]porcupine.Operation, len(events))
		for i, e := range events {
			ops[i] = porcupine.Operation{ClientId: i % 32, Input: e, Call: e.call, Return: e.ret}
		}
		switch result := porcupine.CheckOperationsTimeout(r.model(), ops, checkTime); result {
		case porcupine.Ok:
		case porcupine.Unknown:
			v.undecided++
		case porcupine.Illegal:
			v.problems = append(v.problems, r.explain(id, ops))
		}
	}
	r.rules(h, parts, left, v)
	return v
}

// partition returns the events of each session by their calls. What was not known and did
// nothing that shows is left out, and what shows has happened before it showed.
func partition(h *history, events, left []*event, faulty bool) map[driver.ID][]*event {
	parts, rows := map[driver.ID][]*event{}, map[driver.ID]*event{}
	for _, e := range left {
		rows[e.session] = e
	}
	users := map[driver.ID]map[string]bool{}
	put := func(e *event) { parts[e.session] = append(parts[e.session], e) }
	shown, after, signedIn := map[tag]int64{}, map[tag]*tag{}, map[driver.ID]int64{}
	var all []*event
	for _, e := range slices.Concat(events, left) {
		if n, ok := h.alias[e.token]; ok {
			e.token = n
		}
		if e.seen != nil {
			last, n := e.seen.Values.Head.Last, e.seen.Values.Head.N
			for i, t := range last[:min(n, len(last))] {
				if at, ok := shown[t]; !ok || e.ret < at {
					shown[t] = e.ret
				}
				if i+1 < len(last) {
					after[t] = &last[i+1]
				}
			}
		}
		if e.session == "" {
			all = append(all, e)
			continue
		}
		if e.login != "" && e.kind == evCommit {
			if users[e.session] == nil {
				users[e.session] = map[string]bool{}
			}
			users[e.session][e.login] = true
			if at, ok := signedIn[e.session]; !ok || e.call < at {
				signedIn[e.session] = e.call
			}
		}
	}
	for _, e := range slices.Concat(events, left) {
		if !slices.ContainsFunc(e.changes, func(m mutation) bool { return m.what == 'c' }) {
			e.after = after[headTag(e)]
		}
		switch {
		case e.session == "":
			continue
		case e.kind == evCommit && (e.result == unknown && e.ret == never || e.result == refused):
			at, ok := shown[headTag(e)]
			if e.result == refused && !ok {
				if e.newToken != 0 && faulty { // it was carried out, its answer was lost, and then the session ended
					lost := *e
					lost.result, lost.ret = unknown, never
					put(&lost)
				}
				break
			}
			if !ok && e.newToken == 0 && e.login == "" {
				continue
			}
			if ok {
				if e.result == refused { // its first try was carried out, and then the session ended, or got another token
					put(e)
				}
				known := *e
				known.ret, known.result = max(at, e.call), done
				e = &known
			}
		case e.kind == evRow && e.reason == string(sessions.ReasonEvicted): // since it is a user's
			put(&event{kind: evEnd, session: e.session, call: signedIn[e.session], ret: e.ret, reason: e.reason})
		case e.kind == evRow && e.reason == string(sessions.ReasonReplay):
			put(&event{kind: evEnd, session: e.session, ret: e.ret, reason: e.reason})
		case e.kind == evEnd && e.ret == never && !rows[e.session].mayHaveEnded(e.reason):
			continue // it was not this that ended it
		}
		put(e)
	}
	for _, e := range all {
		for id := range parts {
			if e.ret == never && e.kind == evEndUser && !rows[id].mayHaveEnded(e.reason) || slices.Contains(e.except, id) || e.user != nil && !users[id][*e.user] {
				continue
			}
			own := *e
			own.session, own.listed = id, nil
			if e.kind == evList && !slices.Contains(e.listed, id) {
				own.result = missing
			}
			put(&own)
		}
	}
	for _, events := range parts {
		slices.SortStableFunc(events, func(a, b *event) int { return int(min(max(a.call-b.call, -1), 1)) })
	}
	return parts
}

// mayHaveEnded reports whether a session with this row may have ended for a reason.
func (e *event) mayHaveEnded(reason string) bool {
	return e.reason == reason || e.seen == nil && e.reason == ""
}

// headTag names the commit.
func headTag(e *event) tag {
	for _, m := range slices.Backward(e.changes) {
		if m.what == 'h' {
			return m.tag
		}
	}
	return math.MaxUint64
}

// explain shows how far the events of a session can be put in order, and which of the next
// ones can't be.
func (r *round) explain(id driver.ID, ops []porcupine.Operation) string {
	_, info := porcupine.CheckOperationsVerbose(r.model(), ops, checkTime)
	var longest []porcupine.Operation
	for _, p := range info.PartialLinearizationsOperations()[0] {
		if len(p) > len(longest) {
			longest = p
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "session %s: %d of %d events can be put in an order that the promises allow. The last of them:\n", id, len(longest), len(ops))
	s, placed := r.initial(), map[*event]bool{}
	for i, op := range longest {
		e := op.Input.(*event)
		s.step(e)
		placed[e] = true
		if i >= len(longest)-12 {
			fmt.Fprintf(&b, "    %v\n", e)
		}
	}
	fmt.Fprintf(&b, "  then the session is %s, and none of these can come next:\n", describe(s))
	bound := int64(never)
	var later []*event
	for _, op := range ops {
		switch e := op.Input.(*event); {
		case placed[e]:
		case e.call <= bound:
			fmt.Fprintf(&b, "    %v\n", e)
			bound = min(bound, e.ret)
		default:
			later = append(later, e)
		}
	}
	b.WriteString("  What comes later:\n")
	for _, e := range later[:min(len(later), 20)] {
		fmt.Fprintf(&b, "    %v\n", e)
	}
	return b.String()
}
