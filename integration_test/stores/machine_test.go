package stores_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/memstore"
)

// Whatever is done to a store, one thing after the other: it answers as the contract's model.
func TestStoreIsItsModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		testbed.Check(t, f.Value.Set("40"))
	}
	for _, i := range []int{testbed.PGXPool, testbed.Postgres, testbed.MySQL, testbed.SQLite} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			tab := b.NewTable(t)
			rapid.Check(t, func(r *rapid.T) {
				tab.Exec(t, "DELETE FROM $TABLE")
				runMachine(t.Context(), r, tab.Store, func(d time.Duration) { tab.Age(t, d) })
			})
		})
	}
	t.Run("memory", func(t *testing.T) {
		rapid.Check(t, func(r *rapid.T) {
			var failed any
			synctest.Test(t, func(t *testing.T) {
				defer func() { failed = recover() }()
				runMachine(t.Context(), r, memstore.New(), time.Sleep)
			})
			if fmt.Sprintf("%T", failed) == "rapid.invalidData" {
				panic(failed) // from a line of its own: what fails on the same line is one failure to rapid
			}
			if failed != nil {
				panic(failed)
			}
		})
	})
}

// A machine does things to a store and to its model.
type machine struct {
	*rapid.T
	ctx   context.Context
	store sessions.Store
	age   func(time.Duration)
	model *tableModel
	last  int64
}

// The times have no sum that comes within two minutes of another, so that it does not matter how
// long a run takes.
const tick = 7 * time.Minute

var (
	machineIDs = []driver.ID{
		"01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-0000000000ff",
		"01900000-0000-7000-bfff-000000000000", "a1900000-0000-7000-8000-000000000000",
	}
	machineVerifiers = []driver.Verifier{
		driver.Verifier(strings.Repeat("a", 32)), driver.Verifier(strings.Repeat("A", 32)),
		driver.Verifier(strings.Repeat("\x00", 31) + "a"), driver.Verifier(strings.Repeat("\xff", 32)),
	}
	names = []string{"", "alice", "Alice", "alice "}
	texts = []string{`{}`, `{"a":1}`, `{"a":1.0, "b":"é😀"}`, `{"b":[],"a":null}`}
)

func runMachine(ctx context.Context, r *rapid.T, store sessions.Store, age func(time.Duration)) {
	m := &machine{T: r, ctx: ctx, store: store, age: age, model: newTableModel()}
	r.Repeat(map[string]func(*rapid.T){
		"create": m.create, "create again": m.create, "load": m.load, "save": m.save, "save rightly": m.saveRightly, "touch": m.touch, "end": m.end,
		"end all": m.endAll, "marks": m.marks, "list": m.list, "newest": m.newest, "reap": m.reap,
		"time passes": func(r *rapid.T) {
			d := tick * time.Duration(rapid.IntRange(1, 30).Draw(r, "ticks"))
			m.age(d)
			m.model.now += d
		},
		"": m.check,
	})
}

func pick[T any](r *rapid.T, what string, from []T) T { return rapid.SampledFrom(from).Draw(r, what) }

func (m *machine) life(r *rapid.T, absolute ...time.Duration) driver.Life {
	return driver.Life{
		Idle: pick(r, "idle", []time.Duration{time.Hour, 3 * time.Hour}), Absolute: pick(r, "absolute", absolute),
		Throttle: pick(r, "throttle", []time.Duration{0, 10 * time.Minute}),
	}
}

func (m *machine) expect(err, want error, what string) {
	if !errors.Is(err, want) || want == nil && err != nil {
		m.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func (m *machine) create(r *rapid.T) {
	req := driver.CreateRequest{
		Ref:  driver.Ref{ID: pick(r, "id", machineIDs), Verifier: pick(r, "verifier", machineVerifiers)},
		User: pick(r, "user", names), Label: pick(r, "label", names), Data: []byte(pick(r, "data", texts)), Life: m.life(r, 122*time.Minute, 24*time.Hour),
		Authenticated: rapid.Bool().Draw(r, "authenticated"), Pending: rapid.IntRange(0, 3).Draw(r, "pending") == 0,
		Keep: pick(r, "keep", []time.Duration{0, 10 * time.Hour}),
	}
	result, err := m.store.Create(m.ctx, req)
	if m.model.rows[req.ID] != nil {
		m.expect(err, driver.ErrExists, "create")
		return
	}
	m.expect(err, nil, "create")
	m.model.create(&req, result.Version)
}

func (m *machine) load(r *rapid.T) {
	ref := driver.Ref{ID: pick(r, "id", machineIDs), Verifier: pick(r, "verifier", machineVerifiers)}
	row, err := m.store.Load(m.ctx, ref)
	want := m.model.live(ref.ID)
	var replaced *driver.ReplacedError
	switch {
	case want == nil || want.pending:
		m.expect(err, driver.ErrNotFound, "load")
		if errors.As(err, &replaced) {
			m.Fatalf("a row that is not live or pending was replaced: %v", err)
		}
	case ref.Verifier == want.verifier:
		m.expect(err, nil, "load")
		m.same(&row, want, false)
	case ref.Verifier == want.before && m.model.now < want.grace:
		m.expect(err, nil, "load by the verifier before")
		m.same(&row, want, true)
	default:
		m.expect(err, driver.ErrNotFound, "load")
		if !errors.As(err, &replaced) || !near(replaced.Ago, m.model.now-want.renewed) {
			m.Fatalf("with another verifier: %v, want replaced %v ago", err, m.model.now-want.renewed)
		}
	}
}

func near(a, b time.Duration) bool { return (a - b).Abs() < 2*time.Minute }

// same compares a row with the model's.
func (m *machine) same(row *driver.Row, want *modelRow, previous bool) {
	m.Helper()
	now := m.model.now
	switch {
	case row.ID != want.id || row.Verifier != want.verifier || row.Version != want.version || row.User != want.user || row.Label != want.label ||
		string(row.Data) != want.data || row.Pending != want.pending || row.Previous != previous:
		m.Fatalf("row %+v (%s), want %+v", row, row.Data, want)
	case !near(row.ExpiresIn, want.idle-now) || !near(row.AbsoluteIn, want.absolute-now) ||
		!near(row.LastSeenAge, now-want.seen) || !near(row.VerifierAge, now-want.renewed):
		m.Fatalf("at %v row %+v, want %+v", now, row, want)
	case row.AuthenticatedAt.IsZero() != (want.authenticated < 0) || want.authenticated >= 0 && !near(row.AuthenticatedAge, now-want.authenticated):
		m.Fatalf("at %v row %+v, want %+v", now, row, want)
	}
}

func (m *machine) saveRightly(r *rapid.T) {
	id := pick(r, "id", machineIDs)
	if row := m.model.live(id); row != nil {
		m.write(r, driver.Ref{ID: id, Verifier: row.verifier}, row.version)
	}
}

func (m *machine) save(r *rapid.T) {
	id, version := pick(r, "id", machineIDs), driver.Version(rapid.Int64Range(1, 1<<62).Draw(r, "version"))
	if row := m.model.rows[id]; row != nil && rapid.Bool().Draw(r, "its version") {
		version = row.version
	}
	m.write(r, driver.Ref{ID: id, Verifier: pick(r, "from", machineVerifiers)}, version)
}

func (m *machine) write(r *rapid.T, from driver.Ref, version driver.Version) {
	req := driver.SaveRequest{
		From: from, Version: version, Verifier: from.Verifier, Grace: pick(r, "grace", []time.Duration{0, 30 * time.Minute}),
		User: pick(r, "user", names), Label: pick(r, "label", names), Data: []byte(pick(r, "data", texts)), Life: m.life(r, 0, 122*time.Minute, 24*time.Hour),
		Authenticated: rapid.Bool().Draw(r, "authenticated"), Pending: rapid.IntRange(0, 3).Draw(r, "pending") == 0,
	}
	if rapid.Bool().Draw(r, "renew") {
		req.Verifier = pick(r, "verifier", machineVerifiers)
	}
	result, err := m.store.Save(m.ctx, req)
	switch row := m.model.live(from.ID); {
	case row == nil || row.verifier != from.Verifier:
		m.expect(err, driver.ErrNotFound, "save")
	case row.version != version:
		m.expect(err, driver.ErrConflict, "save")
	default:
		m.expect(err, nil, "save")
		if result.Version == row.version || result.Version == 0 {
			m.Fatalf("save left the version at %d", result.Version)
		}
		m.model.save(row, &req, result.Version)
	}
}

func (m *machine) touch(r *rapid.T) {
	req := driver.TouchRequest{Ref: driver.Ref{ID: pick(r, "id", machineIDs), Verifier: pick(r, "verifier", machineVerifiers)}, Life: m.life(r, 0)}
	row := m.model.live(req.ID)
	if row != nil && rapid.Bool().Draw(r, "its verifier") {
		req.Verifier = row.verifier
	}
	result, err := m.store.Touch(m.ctx, req)
	if row == nil || row.verifier != req.Verifier {
		m.expect(err, driver.ErrNotFound, "touch")
		return
	}
	m.expect(err, nil, "touch")
	if result.Version != 0 {
		m.Fatalf("touch returned the version %d", result.Version)
	}
	m.model.touch(row, req.Life)
}

func (m *machine) end(r *rapid.T) {
	req := driver.EndRequest{
		ID: pick(r, "id", machineIDs), Reason: pick(r, "reason", []string{"logout", "revoked"}), Keep: pick(r, "keep", []time.Duration{time.Hour, 10 * time.Hour}),
	}
	if rapid.Bool().Draw(r, "of a user") {
		user := pick(r, "user", names)
		req.User = &user
	}
	row := m.model.live(req.ID)
	if row != nil && rapid.IntRange(0, 2).Draw(r, "version") == 0 {
		req.Version = pick(r, "which", []driver.Version{row.version, row.version ^ 1})
	}
	err := m.store.End(m.ctx, req)
	switch {
	case row == nil || req.User != nil && *req.User != row.user && (req.Version == 0 || req.Version == row.version):
		m.expect(err, driver.ErrNotFound, "end")
	case req.User != nil && *req.User != row.user: // both are wrong
		if !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrConflict) {
			m.Fatalf("end: %v", err)
		}
	case req.Version != 0 && req.Version != row.version:
		m.expect(err, driver.ErrConflict, "end")
	default:
		m.expect(err, nil, "end")
		m.model.end(row, req.Reason, req.Keep)
	}
}

// check compares what is there with the model, after each step.
func (m *machine) check(*rapid.T) {
	rows, err := m.store.List(m.ctx, driver.ListRequest{All: true, Limit: 100})
	m.expect(err, nil, "list")
	m.equal(rows, m.model.selected("", "", true, ""))
	m.endings()
}

func (m *machine) equal(rows []driver.Row, want []*modelRow) {
	m.Helper()
	if !slices.EqualFunc(rows, want, func(a driver.Row, b *modelRow) bool { return a.ID == b.id }) {
		m.Fatalf("listed %v, want %d rows", rows, len(want))
	}
	for i := range rows {
		m.same(&rows[i], want[i], false)
	}
}
