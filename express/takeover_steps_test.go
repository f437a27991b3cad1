package express_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/memstore"
)

// Steps are the calls that one process makes of both stores. Something happens in place of
// the call with the number at.
type steps struct {
	n, at int
	do    func(call func() error) error
	dead  bool // the process: nothing of it reaches a store any more
	hit   string
}

func (s *steps) step(op string, call func() error) error {
	if s.n++; s.dead {
		return errDown
	}
	if s.n == s.at {
		s.hit = op
		return s.do(call)
	}
	return call()
}

// What can happen in place of a call. Afterwards the process goes on or has died.
var mishaps = map[string]func(s *steps, call func() error) error{
	"not sent":             func(_ *steps, _ func() error) error { return errDown },
	"answer lost":          func(_ *steps, call func() error) error { _ = call(); return errDown },
	"crash before":         func(s *steps, _ func() error) error { s.dead = true; return errDown },
	"crash after the call": func(s *steps, call func() error) error { _ = call(); s.dead = true; return errDown },
}

// A stepped store is one process's view of a store.
type stepped struct {
	sessions.Store
	*steps
}

func through[T any](s *steps, op string, call func() (T, error)) (result T, err error) {
	err = s.step(op, func() error {
		var callErr error
		result, callErr = call()
		return callErr
	})
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}

func (s stepped) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	return through(s.steps, "load", func() (driver.Row, error) { return s.Store.Load(ctx, ref) })
}

func (s stepped) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	return through(s.steps, "create", func() (driver.SaveResult, error) { return s.Store.Create(ctx, req) })
}

func (s stepped) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	return through(s.steps, "save", func() (driver.SaveResult, error) { return s.Store.Save(ctx, req) })
}

func (s stepped) End(ctx context.Context, req driver.EndRequest) error {
	return s.step("end", func() error { return s.Store.End(ctx, req) })
}

func (s stepped) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	return through(s.steps, "marks", func() ([]driver.SetMark, error) { return s.Store.Marks(ctx, req) })
}

func (s stepped) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	return through(s.steps, "endings", func() ([]driver.Ending, error) { return s.Store.Endings(ctx, refs) })
}

func (s stepped) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	return through(s.steps, "list", func() ([]driver.Row, error) { return s.Store.List(ctx, req) })
}

func (s stepped) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	return through(s.steps, "page", func() ([]driver.Row, error) { return s.Store.(pager).Page(ctx, after, limit) })
}

// process returns a manager of another process, and its steps.
func (v *move) process(t *testing.T, at int, do func(s *steps, call func() error) error) (*sessions.Manager, *steps) {
	t.Helper()
	s := &steps{at: at}
	s.do = func(call func() error) error { return do(s, call) }
	from := v.from
	from.Manager = newManager(t, stepped{pager{v.oldStore}, s})
	m, err := takeover.New(stepped{v.store, s}, v.options, from)
	if err != nil {
		t.Fatal(err)
	}
	return m, s
}

// A situation is how things stand when a request with an old cookie comes.
type situation string

const (
	onlyOld       situation = "old table only"
	imported      situation = "imported"
	changed       situation = "imported, and changed since"
	signedIn      situation = "imported, and signed in since"
	importedAlone situation = "imported, ImportedOnly"
)

var situations = []situation{onlyOld, imported, changed, signedIn, importedAlone}

func (from situation) begin(t *testing.T) (*move, *browser) {
	t.Helper()
	v := newMove(t)
	b := newBrowser(t, v.old)
	b.visit(func(s *sessions.Session) { views.Set(s, 0) })
	signIn := func() {
		b.visit(func(s *sessions.Session) { views.Set(s, 1); passport.Set(s, map[string]any{"user": 42}) })
	}
	if from != signedIn {
		signIn()
	}
	if from != onlyOld {
		v.imports(t)
	}
	switch from {
	case signedIn:
		signIn()
	case changed:
		b.visit(func(s *sessions.Session) { views.Set(s, 2) })
	case importedAlone:
		v.from.ImportedOnly = true
		v.next = v.manager(t)
	case onlyOld, imported:
	}
	b.manager = v.next
	return v, b
}

// each runs a test for every call of what a process does, until it makes no more calls,
// from an old session alone and from one that was imported before.
func each(t *testing.T, test func(t *testing.T, v *move, b *browser, at int) (calls int)) {
	t.Helper()
	for _, from := range situations {
		for at := 1; ; at++ {
			v, b := from.begin(t)
			calls := 0
			t.Run(fmt.Sprintf("%s/%d", from, at), func(t *testing.T) { b.tb = t; calls = test(t, v, b, at) })
			if calls < at {
				break
			}
		}
	}
}

// eachMishap is each, with everything that can go wrong there.
func eachMishap(t *testing.T, test func(t *testing.T, what string, m *sessions.Manager, s *steps, v *move, b *browser)) {
	t.Helper()
	for what, mishap := range mishaps {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, v *move, b *browser, at int) int {
				m, s := v.process(t, at, mishap)
				test(t, what, m, s, v, b)
				return s.n
			})
		})
	}
}

func (v *move) imports(t *testing.T) takeover.Report {
	t.Helper()
	r, err := takeover.Import(t.Context(), v.next, nil)
	if err != nil || !r.Verified() {
		t.Errorf("import: %+v, %v", r, err)
	}
	return r
}

// tab returns another tab of the browser, which a process of this manager serves.
func (b *browser) tab(m *sessions.Manager) *browser {
	tab := newBrowser(b.tb, m)
	maps.Copy(tab.cookies, b.cookies)
	return tab
}

// loggedIn reports whether the browser's user is.
func (b *browser) loggedIn() (yes bool) {
	b.tb.Helper()
	res := b.visit(func(s *sessions.Session) { yes = s.User() == "42" && has(views, s) })
	if res.StatusCode != http.StatusOK {
		b.tb.Errorf("status %d", res.StatusCode)
	}
	return yes
}

// onlyOld has the browser forget all but the old cookie.
func (b *browser) onlyOld(old string) *browser {
	b.cookies = map[string]string{"connect.sid": old}
	return b
}

// late is a save by a request of Node that began before the session moved.
func (v *move) late(t *testing.T, old driver.Row) {
	t.Helper()
	save := func() error {
		_, err := v.oldStore.Store.Create(t.Context(), driver.CreateRequest{
			Ref: old.Ref, Data: old.Data, Life: driver.Life{Idle: old.ExpiresIn, Absolute: old.ExpiresIn},
		})
		return err
	}
	err := save()
	if _, live := v.oldStore.Store.Load(t.Context(), old.Ref); errors.Is(err, driver.ErrExists) && live != nil {
		// Node's table, which has but this row, does not remember that it ended.
		v.oldStore.Store = memstore.New()
		err = save()
	}
	if err != nil && !errors.Is(err, driver.ErrExists) {
		t.Error(err)
	}
}

// row returns the only row of the old table.
func (v *move) row(t *testing.T) driver.Row {
	t.Helper()
	rows, err := v.oldStore.List(t.Context(), driver.ListRequest{All: true, Limit: 10})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d old rows, %v", len(rows), err)
	}
	return rows[0]
}
