package stores_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// An outcome is what a request gets whose row was changed by hand.
type outcome struct {
	status    int
	who, what string
}

var (
	fresh  = outcome{http.StatusOK, "", ""}
	same   = outcome{http.StatusOK, "alice", "logged in"}
	closed = outcome{http.StatusServiceUnavailable, "Service Unavailable\n", "Service Unavailable\n"}
)

func spoiltRows(c *testbed.Conns) map[string]outcome {
	rows := map[string]outcome{
		"verifier = NULL":                fresh,
		"verifier = " + c.Blob(""):       fresh,
		"verifier = " + c.Blob("short"):  fresh,
		"version = 0":                    fresh,
		"version = 9223372036854775807":  same,
		"version = -1":                   same,
		"version = -9223372036854775808": same,
		"format = 32767":                 closed,
		"format = -1":                    same,
		"data = '[]'":                    fresh,
		"label = 'tenant'":               same,
	}
	first, last := firstAndLast(c)
	for _, column := range []string{
		"created_at", "seen_at", "authenticated_at", "verifier_at", "expires_at", "absolute_expires_at", "reap_after", "ended_at", "keep_until",
	} {
		rows[column+" = "+last] = same
	}
	for _, column := range []string{"created_at", "seen_at", "authenticated_at", "verifier_at", "reap_after", "ended_at", "keep_until"} {
		rows[column+" = "+first] = same
	}
	rows["expires_at = "+last+", absolute_expires_at = "+last] = same
	rows["absolute_expires_at = "+first] = same // until it is saved: the idle expiry decides
	rows["expires_at = "+first] = fresh
	return rows
}

// firstAndLast returns the first and the last time that a column can have.
func firstAndLast(c *testbed.Conns) (first, last string) {
	switch c.Dialect {
	case migrations.PostgreSQL:
		return "'-infinity'", "'infinity'"
	case migrations.MySQL:
		return "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"
	}
	return "-9223372036854775808", "9223372036854775807"
}

func isLive(t *testing.T, tab *testbed.Table, id driver.ID) bool {
	t.Helper()
	found, err := tab.Store.List(t.Context(), driver.ListRequest{ID: id, Limit: 1})
	testbed.Check(t, err)
	return len(found) > 0
}

// A row that has no verifier lets no client in, and one that can't be read takes no
// other user down.
func TestRowsThatNobodyWrote(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		first, _ := firstAndLast(a.Conns)
		for set, want := range spoiltRows(a.Conns) {
			user, neighbour := a.Browser(t), a.Browser(t)
			for _, browser := range []*testbed.Browser{user, neighbour} {
				browser.OK("/login?u=alice")
			}
			id, cookie := sessions.ID(user.OK("/id")), user.Cookie().Value
			a.Change(t, id, set)
			who, what := user.Fetch("/user"), user.Fetch("/read")
			if got := (outcome{who.StatusCode, who.Body, what.Body}); got != want || what.StatusCode != who.StatusCode {
				t.Errorf("%s: got %+v, want %+v", set, got, want)
			}
			for _, path := range []string{"/set?v=x", "/count", "/regenerate", "/logout"} {
				if got := user.Fetch(path); got.StatusCode != want.status {
					t.Errorf("%s: %s was answered %d %q", set, path, got.StatusCode, got.Body)
				}
			}
			if row := row(t, a.Table, id); want == same && isLive(t, a.Table, id) && set != "absolute_expires_at = "+first {
				t.Errorf("%s: the logout left the row\n%s", set, row)
			}
			if got := neighbour.OK("/user"); got != "alice" {
				t.Errorf("%s: the neighbour is %q", set, got)
			}
			if err := testbed.End(t.Context(), a.Store, id); err != nil && !errors.Is(err, driver.ErrNotFound) || isLive(t, a.Table, id) {
				t.Errorf("%s: end: %v", set, err)
			}
			a.LogHolds(t, cookie)
		}
	})
}

// The same, beside others in a batch.
func TestSpoiltRowsInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		ctx := t.Context()
		sets := slices.Sorted(maps.Keys(spoiltRows(tab.Conns)))
		rows := make([]driver.Row, 2*len(sets)) // one as it should be, one spoilt
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
			if i%2 == 1 {
				tab.Change(t, rows[i].ID, sets[i/2])
			}
		}
		calls := func(what string, call func(i int) error) (all []func()) {
			for i := range rows {
				all = append(all, func() {
					if err := call(i); err != nil && i%2 == 0 {
						t.Errorf("%s beside %s: %v", what, sets[i/2], err)
					}
				})
			}
			return all
		}
		together(t, tab, calls("load", func(i int) error {
			got, err := tab.Store.Load(ctx, rows[i].Ref)
			if err == nil && got.Ref != rows[i].Ref {
				t.Errorf("asked for %s and got %s", rows[i].ID, got.ID)
			}
			return err
		})...)
		together(t, tab, calls("touch", func(i int) error { return testbed.Touch(ctx, tab.Store, rows[i].Ref, driver.Life{Idle: 2 * time.Hour}) })...)
		together(t, tab, calls("save", func(i int) (err error) {
			v, err := testbed.Renew(ctx, tab.Store, rows[i], testbed.RandomVerifier(), testbed.AnHour)
			if i%2 == 0 && v == rows[i].Version {
				t.Error("the version has not changed")
			}
			return err
		})...)
		var listed int
		for after := driver.ID(""); ; {
			page, err := tab.Store.List(ctx, driver.ListRequest{All: true, After: after, Limit: 7})
			testbed.Check(t, err)
			for _, r := range page {
				after = r.ID
			}
			if listed += len(page); len(page) < 7 {
				break
			}
		}
		live, _, err := testbed.Count(ctx, tab.Store)
		if testbed.Check(t, err); listed != live || listed < len(sets) {
			t.Errorf("listed %d rows of %d", listed, live)
		}
		for i, r := range rows {
			if err := testbed.End(ctx, tab.Store, r.ID); err != nil && i%2 == 0 {
				t.Errorf("end beside %s: %v", sets[i/2], err)
			}
		}
		if live, _, err := testbed.Count(ctx, tab.Store); live != 0 || err != nil {
			t.Errorf("%d rows can't be ended, %v", live, err)
		}
	})
}

// A reaper passes over them, and looks at none of them again and again.
func TestReaperOfSpoiltRows(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		ctx, tab := t.Context(), b.NewTable(t)
		first, _ := firstAndLast(tab.Conns)
		for set, want := range spoiltRows(tab.Conns) {
			row := testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
			tab.Change(t, row.ID, "reap_after = created_at")
			tab.Age(t, 3*time.Hour)
			tab.Change(t, row.ID, "expires_at = absolute_expires_at")
			tab.Change(t, row.ID, set)
			for range 2 {
				if _, err := (&sessions.Reaper{Store: tab.Store, NoRest: true}).Sweep(ctx); err != nil {
					t.Errorf("%s: %v", set, err)
				}
			}
			if got := isLive(t, tab, row.ID); got != (set != "expires_at = "+first) {
				t.Errorf("%s: it is live: %t, want %v", set, got, want)
			}
			tab.Exec(t, "DELETE FROM $TABLE")
		}
	})
}
