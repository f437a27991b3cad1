package stores_test

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/sqlsessions/sessions/driver"
)

// What the machine does to several rows at once.

func (m *machine) endAll(r *rapid.T) {
	req := driver.EndAllRequest{
		Limit: rapid.IntRange(1, 4).Draw(r, "limit"), Reason: "revoked user", Keep: pick(r, "keep", []time.Duration{time.Hour, 10 * time.Hour}),
	}
	switch name := pick(r, "name", names); {
	case name == "":
		req.All = true
	case rapid.Bool().Draw(r, "label"):
		req.Label = name
	default:
		req.User = name
	}
	if rapid.Bool().Draw(r, "except") {
		req.Except = []driver.ID{pick(r, "excepted", machineIDs)}
	}
	if rapid.Bool().Draw(r, "mark") {
		m.last++
		req.Mark = driver.Mark{Number: m.last, Keep: pick(r, "kept", []time.Duration{122 * time.Minute, 24 * time.Hour})}
		m.model.mark(&req)
	}
	want := m.model.selected(req.User, req.Label, req.All, "", req.Except...)
	total := 0
	for {
		result, err := m.store.EndAll(m.ctx, req)
		m.expect(err, nil, "end all")
		if total += result.Ended; result.Ended > req.Limit || total > len(want) {
			m.Fatalf("ended %d with a limit of %d, and %d of %d together", result.Ended, req.Limit, total, len(want))
		}
		if !result.More {
			break
		}
		if result.Last <= req.After {
			m.Fatalf("after %q the last one is %q", req.After, result.Last)
		}
		req.After = result.Last
	}
	if total != len(want) {
		m.Fatalf("ended %d rows, want %d", total, len(want))
	}
	for _, row := range want {
		m.model.end(row, req.Reason, req.Keep)
	}
}

func (m *machine) marks(r *rapid.T) {
	req := driver.MarksRequest{ID: pick(r, "id", machineIDs), User: pick(r, "user", names), Label: pick(r, "label", names)}
	marks, err := m.store.Marks(m.ctx, req)
	m.expect(err, nil, "marks")
	got, want := map[int64]time.Duration{}, m.model.over(req)
	for _, k := range marks {
		got[k.Number] = k.Age
	}
	if len(marks) != len(got) || !maps.EqualFunc(got, want, near) {
		m.Fatalf("marks over %+v: %v, want %v", req, marks, want)
	}
}

func (m *machine) list(r *rapid.T) {
	req := driver.ListRequest{Limit: rapid.IntRange(1, 4).Draw(r, "limit")}
	if rapid.Bool().Draw(r, "after") {
		req.After = pick(r, "which", machineIDs)
	}
	var want []*modelRow
	name := pick(r, "name", names)
	switch rapid.IntRange(0, 2).Draw(r, "by") {
	case 0:
		req.ID = pick(r, "id", machineIDs)
		want = slices.DeleteFunc(m.model.selected("", "", true, req.After), func(row *modelRow) bool { return row.id != req.ID })
	case 1:
		if req.User = name; name == "" {
			req.All = true
		}
		want = m.model.selected(req.User, "", req.All, req.After)
	case 2:
		if req.Label = name; name == "" {
			req.All = true
		}
		want = m.model.selected("", req.Label, req.All, req.After)
	}
	rows, err := m.store.List(m.ctx, req)
	m.expect(err, nil, "list")
	m.equal(rows, want[:min(len(want), req.Limit)])
}

// newest lists a user's rows by the time of their sign-ins. Those of one tick may come in any
// order.
func (m *machine) newest(r *rapid.T) {
	req := driver.ListRequest{User: pick(r, "user", names[1:]), Newest: true, Limit: rapid.IntRange(1, 4).Draw(r, "limit")}
	rows, err := m.store.List(m.ctx, req)
	m.expect(err, nil, "newest")
	want := m.model.selected(req.User, "", false, "")
	rank := func(row *modelRow) time.Duration {
		if row.pending {
			return row.signedIn() - 1e6*time.Hour
		}
		return row.signedIn()
	}
	slices.SortStableFunc(want, func(a, b *modelRow) int { return int((rank(b) - rank(a)) / time.Minute) })
	if len(rows) != min(len(want), req.Limit) {
		m.Fatalf("newest: %d rows of %d", len(rows), len(want))
	}
	for i := range rows {
		row := m.model.live(rows[i].ID)
		if row == nil || rank(row) != rank(want[i]) {
			m.Fatalf("newest: row %d is %+v, want %+v", i, row, want[i])
		}
		m.same(&rows[i], row, false)
	}
}

func (m *machine) endings() {
	var refs []driver.Ref
	for _, id := range machineIDs {
		refs = append(refs, driver.Ref{ID: id})
	}
	endings, err := m.store.Endings(m.ctx, refs)
	m.expect(err, nil, "endings")
	got := map[driver.ID]driver.Ending{}
	for _, e := range endings {
		got[e.ID] = e
	}
	if len(got) != len(endings) {
		m.Fatalf("endings have an ID twice: %v", endings)
	}
	for _, id := range machineIDs {
		e, is := got[id]
		row := m.model.rows[id]
		switch {
		case row == nil:
			is = is && e.Gone
		case m.model.live(id) != nil:
			is = !is
		case row.ended:
			is = is && !e.Gone && e.Reason == row.reason
		default:
			is = is && !e.Gone && e.Reason == "" && e.Idle == (row.idle < row.absolute)
		}
		if !is {
			m.Fatalf("ending of %s: %+v, and the row is %+v at %v", id, e, row, m.model.now)
		}
	}
}

// reap deletes nothing but what may go, and in the end all that has been dead for two hours.
func (m *machine) reap(*rapid.T) {
	deleted := 0
	for {
		result, err := m.store.Reap(m.ctx, driver.ReapRequest{Limit: 2})
		m.expect(err, nil, "reap")
		if deleted += result.Deleted; !result.More {
			break
		}
	}
	var refs []driver.Ref
	for id := range m.model.rows {
		refs = append(refs, driver.Ref{ID: id})
	}
	endings, err := m.store.Endings(m.ctx, refs)
	m.expect(err, nil, "endings")
	for _, e := range endings {
		row := m.model.rows[e.ID]
		long := m.model.deletable(row) && m.model.now-max(row.keep, min(row.idle, row.absolute)) > 2*time.Hour+time.Minute && !row.ended
		switch {
		case e.Gone && !m.model.deletable(row):
			m.Fatalf("reaped %+v at %v", row, m.model.now)
		case e.Gone:
			delete(m.model.rows, e.ID)
		case long:
			m.Fatalf("not reaped: %+v at %v", row, m.model.now)
		}
	}
	stats, err := m.store.Stats(m.ctx)
	m.expect(err, nil, "stats")
	live, ended := 0, 0
	for id, row := range m.model.rows {
		if r := m.model.live(id); r != nil && !r.pending {
			live++
		}
		if row.ended && m.model.now < row.keep {
			ended++
		}
	}
	if stats.Live != live || stats.Ended != ended {
		m.Fatalf("stats %+v, want %d live and %d ended", stats, live, ended)
	}
}
