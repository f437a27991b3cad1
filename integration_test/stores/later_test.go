package stores_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// During a deployment two versions of the program use one table. These tests play the older one.

// The suite runs on such tables in TestStoreInEveryMode and TestSQLiteStoreInEveryMode.
func TestTableOfALaterVersion(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.OfTomorrow(t)
		testDay(t, testbed.NewApp(t, tab))
		testbed.CountStatements(t, tab)
	})
}

// row returns a row with all its columns as text.
func row(t *testing.T, tab *testbed.Table, id driver.ID) string {
	t.Helper()
	return tab.DumpOf(t, tab.Name+" WHERE id = "+tab.Literal(id))
}

// Only a program that knows the format of a row changes it.
func TestRowOfALaterFormat(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		user, neighbour := a.Browser(t), a.Browser(t)
		user.OK("/login?u=alice")
		user.OK("/set?v=kept")
		neighbour.OK("/login?u=alice")
		id := sessions.ID(user.OK("/id"))
		a.Age(t, 2*time.Hour) // a request would touch it
		before := row(t, a.Table, id)
		a.Change(t, id, "format = 9")
		later := row(t, a.Table, id)
		if later == before {
			t.Fatal("the test does not see the format")
		}
		for _, path := range []string{"/read", "/user", "/untouched", "/set?v=lost", "/count", "/regenerate", "/login?u=bob", "/logout", "/everywhere"} {
			a.Refused(t, user, path, "later version")
			if got := neighbour.OK("/user"); got != "alice" {
				t.Errorf("the other session is %q's", got)
			}
		}
		if got := row(t, a.Table, id); got != later {
			t.Errorf("the row was changed from\n%s to\n%s", later, got)
		}
		listed := 0
		for s, err := range a.Manager.SessionsOf(t.Context(), "alice") {
			testbed.Check(t, err)
			if listed++; s.ID() == id && (s.User() != "alice" || len(s.Keys()) != 0) {
				t.Errorf("listed the session of %q with %v", s.User(), s.Keys())
			}
		}
		if listed != 2 {
			t.Errorf("listed %d sessions, want 2", listed)
		}

		a.Change(t, id, "format = 0")
		if got := row(t, a.Table, id); got != before {
			t.Errorf("the row was changed from\n%s to\n%s", before, got)
		}
		if got := user.OK("/read"); got != "kept" {
			t.Errorf("with the format of before the session holds %q", got)
		}

		// A later version saves it while a request of this one is running.
		for _, path := range []string{"/slow?v=lost", "/slow?v=lost&then=logout", "/slow"} {
			a.Age(t, 2*time.Hour)
			got := a.WhileItWaits(t, user, path, func() {
				a.Change(t, id, "format = 9, version = version - 1")
				later = row(t, a.Table, id)
			})
			switch ends := strings.Contains(path, "logout"); {
			case ends && (got.StatusCode != http.StatusOK || isLive(t, a.Table, id)):
				t.Errorf("a logout was answered %d, and the row is\n%s", got.StatusCode, row(t, a.Table, id))
			case ends:
				user.OK("/login?u=alice")
				id = sessions.ID(user.OK("/id"))
			case path == "/slow": // a touch is all it does, which harms nothing
				if got.StatusCode != http.StatusOK {
					t.Errorf("%s was answered %d", path, got.StatusCode)
				}
				a.Change(t, id, "format = 0")
			default:
				if got.StatusCode != http.StatusServiceUnavailable || testbed.SetsCookie(got) || row(t, a.Table, id) != later {
					t.Errorf("%s was answered %d, cookie %t, and left the row\n%s, was\n%s", path, got.StatusCode, testbed.SetsCookie(got), row(t, a.Table, id), later)
				}
				a.Change(t, id, "format = 0")
			}
		}
	})
}

func TestRowOfALaterFormatEnds(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		tab.OfTomorrow(t)
		a := testbed.NewApp(t, tab)
		ctx := t.Context()
		row := func() driver.Row {
			r := testbed.NewRow(`{"value":1}`)
			r.User = "alice"
			r = testbed.Insert(t, tab.Store, r)
			tab.Change(t, r.ID, "format = 9, later_text = 'later'")
			return r
		}
		ended, revoked, kept := row(), row(), row()
		list, err := tab.Store.List(ctx, driver.ListRequest{User: "alice", Limit: 10})
		testbed.Check(t, err)
		for _, r := range list {
			if r.Data != nil || r.User != "alice" || r.Version == 0 {
				t.Errorf("listed %+v", r)
			}
		}
		if live, dead, err := testbed.Count(ctx, tab.Store); len(list) != 3 || live != 3 || dead != 0 || err != nil {
			t.Errorf("listed %d, counted %d and %d, %v", len(list), live, dead, err)
		}
		testbed.Check(t, testbed.End(ctx, tab.Store, ended.ID))
		testbed.Check(t, a.Manager.Revoke(ctx, "alice", revoked.ID))
		if n, err := testbed.Reap(ctx, tab.Store, 10); n != 0 || err != nil || tab.Rows(t) != 3 {
			t.Errorf("deleted %d rows, of which one is live and one kept, %v", n, err)
		}
		tab.Age(t, 5*time.Hour)
		if _, err := tab.Store.Load(ctx, kept.Ref); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("past its expiry: %v", err)
		}
		row()
		if n, err := testbed.Reap(ctx, tab.Store, 10); n != 2 || err != nil || tab.Rows(t) != 2 {
			t.Errorf("deleted %d of the two dead rows, %v", n, err)
		}
		if n, err := a.Manager.RevokeUser(ctx, "alice"); n != 1 || err != nil || tab.Rows(t) != 3 {
			t.Errorf("revoked %d, %v, and left %d rows, want two that ended and the mark", n, err, tab.Rows(t))
		}
	})
}

// One of a batch.
func TestRowOfALaterFormatInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n, later = 10, 3
		ctx := t.Context()
		rows := make([]driver.Row, n)
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(fmt.Sprintf(`{"n":%d}`, i)))
		}
		tab.Change(t, rows[later].ID, "format = 9")
		calls := func(call func(i int) error, wants ...error) (all []func()) {
			for i := range rows {
				all = append(all, func() {
					err := call(i)
					for _, want := range wants {
						if (i == later) != errors.Is(err, want) || i != later && err != nil {
							t.Errorf("row %d: %v", i, err)
						}
					}
				})
			}
			return all
		}
		loads := calls(func(i int) error {
			got, err := tab.Store.Load(ctx, rows[i].Ref)
			if err == nil && (got.Ref != rows[i].Ref || string(got.Data) != string(rows[i].Data)) {
				t.Errorf("row %d: %s", i, got.Data)
			}
			return err
		}, driver.ErrSchema)
		if statements := together(t, tab, loads...); statements > 2 {
			t.Errorf("%d loads took %d statements", n, statements)
		}
	})
}
