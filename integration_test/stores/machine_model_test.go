package stores_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A modelRow is a row as the contract describes it. Its times are by the model's clock, which
// goes on only when the rows are made older.
type modelRow struct {
	id                         driver.ID
	verifier, before           driver.Verifier
	user, label, data          string
	version                    driver.Version
	pending, ended             bool
	reason                     string
	idle, absolute, keep, seen time.Duration
	created, authenticated     time.Duration // authenticated is -1 if it never was
	renewed, grace             time.Duration
}

type modelMark struct {
	number int64
	set    time.Duration
	except []driver.ID
}

// modelMarks are those of one name, which are kept as long as the last one.
type modelMarks struct {
	keep time.Duration
	all  []modelMark
}

// A tableModel is a table.
type tableModel struct {
	now   time.Duration
	rows  map[driver.ID]*modelRow
	marks map[string]modelMarks
}

func newTableModel() *tableModel {
	return &tableModel{rows: map[driver.ID]*modelRow{}, marks: map[string]modelMarks{}}
}

// live returns the row, or nil if it is not live.
func (m *tableModel) live(id driver.ID) *modelRow {
	if r := m.rows[id]; r != nil && !r.ended && m.now < min(r.idle, r.absolute) {
		return r
	}
	return nil
}

func (m *tableModel) create(req *driver.CreateRequest, version driver.Version) {
	r := &modelRow{
		id: req.ID, verifier: req.Verifier, user: req.User, label: req.Label, data: string(req.Data), version: version, pending: req.Pending,
		absolute: m.now + req.Life.Absolute, seen: m.now, created: m.now, renewed: m.now, authenticated: -1,
	}
	r.idle = min(m.now+req.Life.Idle, r.absolute)
	if req.Keep > 0 {
		r.keep = m.now + req.Keep
	}
	if req.Authenticated {
		r.authenticated = m.now
	}
	m.rows[req.ID] = r
}

func (m *tableModel) save(r *modelRow, req *driver.SaveRequest, version driver.Version) {
	if req.Verifier != r.verifier {
		r.before, r.grace = "", 0
		if req.Grace > 0 {
			r.before, r.grace = r.verifier, m.now+req.Grace
		}
		r.verifier, r.renewed = req.Verifier, m.now
	}
	r.user, r.label, r.data, r.version, r.pending, r.seen = req.User, req.Label, string(req.Data), version, req.Pending, m.now
	if req.Life.Absolute > 0 {
		r.absolute = m.now + req.Life.Absolute
	}
	r.idle = min(m.now+req.Life.Idle, r.absolute)
	if req.Authenticated {
		r.authenticated = m.now
	}
}

func (m *tableModel) touch(r *modelRow, life driver.Life) {
	if m.now-r.seen < life.Throttle {
		return
	}
	r.idle, r.seen = max(r.idle, min(m.now+life.Idle, r.absolute)), m.now
}

func (m *tableModel) end(r *modelRow, reason string, keep time.Duration) {
	r.ended, r.reason, r.keep, r.user, r.label, r.pending = true, reason, max(r.keep, m.now+keep), "", "", false
}

func (m *tableModel) mark(req *driver.EndAllRequest) {
	name := markName(req.User, req.Label)
	k := m.marks[name]
	if k.keep <= m.now { // they were forgotten
		k = modelMarks{}
	}
	k.keep, k.all = max(k.keep, m.now+req.Mark.Keep), append(k.all, modelMark{req.Mark.Number, m.now, req.Except})
	m.marks[name] = k
}

func markName(user, label string) string { return "user " + user + " label " + label }

// over returns the numbers and ages of the marks over a row.
func (m *tableModel) over(req driver.MarksRequest) map[int64]time.Duration {
	found := map[int64]time.Duration{}
	names := []string{markName("", "")}
	if req.User != "" {
		names = append(names, markName(req.User, ""))
	}
	if req.Label != "" {
		names = append(names, markName("", req.Label))
	}
	for _, name := range names {
		if m.marks[name].keep <= m.now {
			continue
		}
		for _, k := range m.marks[name].all {
			if !slices.Contains(k.except, req.ID) {
				found[k.number] = m.now - k.set
			}
		}
	}
	return found
}

// selected returns the live rows by their IDs.
func (m *tableModel) selected(user, label string, all bool, after driver.ID, except ...driver.ID) (rows []*modelRow) {
	for id := range m.rows {
		r := m.live(id)
		if r == nil || id <= after || slices.Contains(except, id) {
			continue
		}
		if all || user != "" && r.user == user || label != "" && r.label == label {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *modelRow) int { return cmp.Compare(a.id, b.id) })
	return rows
}

// deletable reports whether Reap may delete the row.
func (m *tableModel) deletable(r *modelRow) bool { return m.live(r.id) == nil && r.keep <= m.now }

// signedIn is by what Newest orders the row.
func (r *modelRow) signedIn() time.Duration {
	if r.authenticated >= 0 {
		return r.authenticated
	}
	return r.created
}
