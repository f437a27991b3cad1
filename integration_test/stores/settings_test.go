package stores_test

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A setting is what the connections of a pool have set, as parameters of a DSN, and what has
// to come of that: sessions as they are without it or, if it is refused, an error with this
// text, and nothing done. After "perhaps " it may work as well, as limits on memory do. What is
// wrong without an error fails the test in any case.
type setting struct{ parameters, refused string }

// test runs the request path with the setting. The table is the administrator's, and empty.
func (s setting) test(t *testing.T, tab *testbed.Table, b testbed.Backend) {
	t.Helper()
	if err := s.try(t, tab, b); err != nil {
		t.Errorf("%s: %v", cmp.Or(s.parameters, "nothing set"), err)
	}
}

// try returns what came of it that should not have.
func (s setting) try(t *testing.T, tab *testbed.Table, b testbed.Backend) error {
	t.Helper()
	defer tab.Exec(t, "DELETE FROM $TABLE")
	address := tab.URL
	if s.parameters != "" {
		address = testbed.WithParameters(address, strings.ReplaceAll(testbed.Escaped(s.parameters), "+", "%20"))
	}
	c := b.ConnectSized(t, address, 1)
	defer c.Close()
	path := requestPath{T: t, admin: tab, tab: &testbed.Table{Conns: c, Name: tab.Name, Store: c.OpenStore(t, tab.Name)}}
	refused, perhaps := strings.CutPrefix(s.refused, "perhaps ")
	for _, step := range []func() error{path.create, path.load, path.save, path.touch, path.alone, path.list, path.end, path.revoke, path.reap} {
		err := step()
		switch {
		case err != nil && (refused == "" || !strings.Contains(err.Error(), refused) || errors.As(err, new(wrongError))):
			return err
		case err != nil:
			return nil
		}
	}
	if refused != "" && !perhaps {
		return fmt.Errorf("it is not refused with %q", refused)
	}
	return nil
}

// testAll tries values of many variables. To be faster, it sets some at once, and one by one only
// what fails together or is to be refused.
func testAll(t *testing.T, tab *testbed.Table, b testbed.Backend, parameters []string, refused map[string]string) {
	t.Helper()
	var rounds [][]string // each has one value of a variable
	seen := map[string]int{}
	for _, parameter := range parameters {
		if refused[parameter] != "" {
			setting{parameter, refused[parameter]}.test(t, tab, b)
			continue
		}
		name, _, _ := strings.Cut(parameter, "=")
		if seen[name]++; seen[name] > len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[seen[name]-1] = append(rounds[seen[name]-1], parameter)
	}
	for _, round := range rounds {
		for some := range slices.Chunk(round, 8) {
			err := setting{strings.Join(some, "&"), ""}.try(t, tab, b)
			if err == nil {
				continue
			}
			for _, parameter := range some {
				setting{parameter, ""}.test(t, tab, b)
			}
			if !t.Failed() {
				t.Errorf("%q, at once: %v", some, err)
			}
		}
	}
	t.Logf("%d values of %d variables were tried", len(parameters), len(seen))
	if len(parameters) < 100 {
		t.Error("there must be more")
	}
}

// A wrongError is an answer that is not as it should be.
type wrongError struct{ what string }

func (w wrongError) Error() string { return "WRONG: " + w.what }

func wrong(format string, args ...any) error { return wrongError{fmt.Sprintf(format, args...)} }

// A requestPath has the sessions of one user, in whose name and data is what settings may change.
type requestPath struct {
	*testing.T
	tab, admin *testbed.Table
	user       string
	rows       []driver.Row
}

// each runs a call for each row at once, so that they go together, and returns their first error.
func (p *requestPath) each(call func(r *driver.Row) error) error {
	errs, calls := make([]error, len(p.rows)), make([]func(), len(p.rows))
	for i := range p.rows {
		calls[i] = func() { errs[i] = call(&p.rows[i]) }
	}
	together(p.T, p.tab, calls...)
	return cmp.Or(errs...)
}

func (p *requestPath) create() error {
	p.user = `Jürgen "\'€' OR 1=1 -- ` + rand.Text()
	for i := range 6 {
		r := testbed.NewRow(fmt.Sprintf(`{"n":%d,"s":"é ✓ 😀 \\ ' \" %%s ? $1"}`, i))
		r.User, r.Label = p.user, "at "+p.user
		p.rows = append(p.rows, r)
	}
	return p.each(func(r *driver.Row) (err error) {
		r.Version, err = testbed.Create(p.Context(), p.tab.Store, *r, testbed.Day)
		return err
	})
}

// check loads a row and compares it.
func (p *requestPath) check(want *driver.Row) error {
	got, err := p.tab.Store.Load(p.Context(), want.Ref)
	switch {
	case errors.Is(err, driver.ErrNotFound):
		return wrong("a live row is not found: %v", err)
	case err != nil:
		return err
	case got.Ref != want.Ref, string(got.Data) != string(want.Data), got.User != want.User, got.Label != want.Label, got.Version != want.Version,
		got.ExpiresIn < 59*time.Minute, got.AbsoluteIn < 23*time.Hour, got.AbsoluteIn > 24*time.Hour, got.LastSeenAge > time.Minute,
		time.Since(got.CreatedAt).Abs() > time.Hour:
		return wrong("loaded %+v, want %+v", got, *want)
	}
	return nil
}

func (p *requestPath) load() error { return p.each(p.check) }

// save gives the even rows new tokens, beside others that keep theirs.
func (p *requestPath) save() error {
	err := p.each(func(r *driver.Row) (err error) {
		r.Data = fmt.Appendf(nil, `{"saved":"é ✓ 😀 %s"}`, r.ID)
		to := r.Verifier
		if r.ID == p.rows[2].ID || r.ID == p.rows[4].ID {
			to = testbed.RandomVerifier()
		}
		r.Version, err = testbed.Renew(p.Context(), p.tab.Store, *r, to, testbed.AnHour)
		r.Verifier = to
		return err
	})
	return cmp.Or(err, p.each(p.check))
}

func (p *requestPath) touch() error {
	err := p.each(func(r *driver.Row) error {
		return testbed.Touch(p.Context(), p.tab.Store, r.Ref, driver.Life{Idle: 2 * time.Hour})
	})
	return cmp.Or(err, p.each(p.check))
}

// alone has each call go by itself.
func (p *requestPath) alone() (err error) {
	r, s, ctx := &p.rows[0], p.tab.Store, p.Context()
	more := testbed.NewRow(`{"é":"😀"}`)
	more.User, more.Label = p.user, r.Label
	if more.Version, err = testbed.Create(ctx, s, more, testbed.Day); err != nil {
		return err
	}
	p.rows = append(p.rows, more)
	r.Data = []byte(`{"é":"✓ 😀"}`)
	if r.Version, err = testbed.Save(ctx, s, *r, testbed.AnHour); err != nil {
		return err
	}
	to := testbed.RandomVerifier()
	r.Version, err = testbed.Renew(ctx, s, *r, to, testbed.AnHour)
	r.Verifier = to
	err = cmp.Or(err, testbed.Touch(ctx, s, r.Ref, driver.Life{Idle: 2 * time.Hour}), p.check(r), p.check(&p.rows[2]))
	if err != nil {
		return err
	}
	got, err := s.Load(ctx, r.Ref)
	if err == nil && (got.ExpiresIn < 119*time.Minute || got.ExpiresIn > 2*time.Hour) {
		err = wrong("%v left after a touch", got.ExpiresIn)
	}
	return err
}

func (p *requestPath) list() error {
	for _, req := range []driver.ListRequest{
		{User: p.user, Limit: 100}, {User: p.user, Limit: 100, Newest: true}, {Label: "at " + p.user, Limit: 100}, {All: true, Limit: 100},
	} {
		found, err := p.tab.Store.List(p.Context(), req)
		if err != nil {
			return err
		}
		if len(found) != len(p.rows) || slices.ContainsFunc(found, func(r driver.Row) bool { return r.User != p.user }) {
			return wrong("%d sessions of %d are listed", len(found), len(p.rows))
		}
	}
	stats, err := p.tab.Store.Stats(p.Context())
	if err == nil && stats.Live != len(p.rows) {
		err = wrong("%d live sessions, want %d", stats.Live, len(p.rows))
	}
	return err
}

func (p *requestPath) end() error {
	for _, r := range p.rows[5:] {
		if err := testbed.End(p.Context(), p.tab.Store, r.ID); err != nil {
			return err
		}
		if _, err := p.tab.Store.Load(p.Context(), r.Ref); !errors.Is(err, driver.ErrNotFound) {
			return cmp.Or(err, wrong("a session that ended is live"))
		}
	}
	return nil
}

// revoke ends all sessions of the user but one, and looks for what a sign-in and a stream look for.
// A neighbour's stays.
func (p *requestPath) revoke() error {
	s, ctx, refs := p.tab.Store, p.Context(), []driver.Ref(nil)
	neighbour := testbed.NewRow("{}")
	neighbour.User = "anybody"
	var err error
	if neighbour.Version, err = testbed.Create(ctx, s, neighbour, testbed.Day); err != nil {
		return err
	}
	for _, r := range p.rows {
		refs = append(refs, r.Ref)
	}
	kept := p.rows[0]
	result, err := s.EndAll(ctx, driver.EndAllRequest{
		User: p.user, Except: []driver.ID{kept.ID}, Mark: driver.Mark{Number: 7, Keep: time.Hour}, Reason: "revoked", Limit: 1000,
	})
	if err != nil {
		return err
	}
	if want := 4; result.Ended != want {
		return wrong("%d sessions were ended, want %d", result.Ended, want)
	}
	endings, err := s.Endings(ctx, append(refs, testbed.NewRow("").Ref))
	if err == nil && len(endings) != len(refs) { // one is live, and one was never there
		err = wrong("%d endings, want %d", len(endings), len(refs))
	}
	if err = cmp.Or(err, p.check(&kept), p.check(&neighbour)); err != nil {
		return err
	}
	for id, want := range map[driver.ID]int{kept.ID: 0, p.rows[1].ID: 1} {
		if marks, err := s.Marks(ctx, driver.MarksRequest{ID: id, User: p.user, Label: "another"}); err != nil || len(marks) != want {
			return cmp.Or(err, wrong("%d marks, want %d", len(marks), want))
		}
	}
	return nil
}

// reap needs several batches, and first moves the marks of rows that are alive.
func (p *requestPath) reap() error {
	for _, age := range []time.Duration{90 * time.Minute, 300 * time.Hour} {
		p.admin.Age(p.T, age)
		for more := true; more; {
			result, err := p.tab.Store.Reap(p.Context(), driver.ReapRequest{Limit: 2})
			if err != nil {
				return err
			}
			more = result.More
		}
		live := 0
		if age < 2*time.Hour {
			live = 1 // it was touched
		}
		if n := p.admin.Live(p.T); n != live || live == 0 && p.admin.Rows(p.T) != 0 {
			return wrong("%d rows of which %d are live after a sweep, want %d live", p.admin.Rows(p.T), n, live)
		}
	}
	return nil
}
