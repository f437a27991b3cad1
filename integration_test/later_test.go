package integration_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/migrations"
)

// During a deployment two versions of the program use one table. These tests are
// about the older of the two.

// ofTomorrow adds what a later version may: columns that are nullable or have a
// default, and an index.
func (tab *table) ofTomorrow(t testing.TB) {
	t.Helper()
	when := map[migrations.Dialect]string{
		migrations.PostgreSQL: "timestamptz", migrations.MySQL: "DATETIME(6) NULL", migrations.SQLite: "INTEGER",
	}[tab.dialect]
	tab.run(t,
		"ALTER TABLE $TABLE ADD COLUMN later_text TEXT",
		"ALTER TABLE $TABLE ADD COLUMN later_number INTEGER NOT NULL DEFAULT 7",
		"ALTER TABLE $TABLE ADD COLUMN later_time "+when,
		"CREATE INDEX $TABLE_later_idx ON $TABLE (later_number)")
}

// The suite runs on such tables in TestStoreInEveryMode and TestSQLiteStoreInEveryMode.
func TestTableOfALaterVersion(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		tab.ofTomorrow(t)
		testDay(t, newApp(t, tab))
		testStatements(t, tab)
	})
}

// row returns a row with all its columns as text.
func (tab *table) row(t *testing.T, id driver.ID) string {
	t.Helper()
	return tab.dumpOf(t, tab.name+" WHERE id = "+tab.literal(id))
}

// Only a program that knows the format of a row changes it.
func TestRowOfALaterFormat(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		user, neighbour := a.browser(t), a.browser(t)
		user.ok("/login?u=alice")
		user.ok("/set?v=kept")
		neighbour.ok("/login?u=alice")
		id := sessions.ID(user.ok("/id"))
		a.age(t, 2*time.Hour) // a request would touch it
		before := a.row(t, id)
		a.change(t, id, "format = 9")
		later := a.row(t, id)
		if later == before {
			t.Fatal("the test does not see the format")
		}
		for _, path := range []string{"/read", "/user", "/untouched", "/set?v=lost", "/count", "/regenerate", "/login?u=bob", "/logout", "/everywhere"} {
			a.refused(t, user, path, "later version")
			if got := neighbour.ok("/user"); got != "alice" {
				t.Errorf("the other session is %q's", got)
			}
		}
		if got := a.row(t, id); got != later {
			t.Errorf("the row was changed from\n%s to\n%s", later, got)
		}
		listed := 0
		for s, err := range a.manager.SessionsOf(t.Context(), "alice") {
			check(t, err)
			if listed++; s.ID() == id && (s.User() != "alice" || len(s.Keys()) != 0) {
				t.Errorf("listed the session of %q with %v", s.User(), s.Keys())
			}
		}
		if listed != 2 {
			t.Errorf("listed %d sessions, want 2", listed)
		}

		a.change(t, id, "format = 0")
		if got := a.row(t, id); got != before {
			t.Errorf("the row was changed from\n%s to\n%s", before, got)
		}
		if got := user.ok("/read"); got != "kept" {
			t.Errorf("with the format of before the session holds %q", got)
		}

		// A later version saves it while a request of this one is running.
		for _, path := range []string{"/slow?v=lost", "/slow?v=lost&then=logout", "/slow"} {
			a.age(t, 2*time.Hour)
			got := a.whileItWaits(t, user, path, func() {
				a.change(t, id, "format = 9, version = version - 1")
				later = a.row(t, id)
			})
			switch ends := strings.Contains(path, "logout"); {
			case ends && (got.StatusCode != http.StatusOK || a.rows(t) != 1):
				t.Errorf("a logout was answered %d, and there are %d rows", got.StatusCode, a.rows(t))
			case ends:
				user.ok("/login?u=alice")
				id = sessions.ID(user.ok("/id"))
			case path == "/slow": // a touch is all it does, which harms nothing
				if got.StatusCode != http.StatusOK {
					t.Errorf("%s was answered %d", path, got.StatusCode)
				}
				a.change(t, id, "format = 0")
			default:
				if got.StatusCode != http.StatusServiceUnavailable || setsCookie(got) || a.row(t, id) != later {
					t.Errorf("%s was answered %d, cookie %t, and left the row\n%s, was\n%s", path, got.StatusCode, setsCookie(got), a.row(t, id), later)
				}
				a.change(t, id, "format = 0")
			}
		}
	})
}

func TestRowOfALaterFormatEnds(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		tab.ofTomorrow(t)
		a := newApp(t, tab)
		ctx := t.Context()
		row := func() driver.Row {
			r := newRow(`{"value":1}`)
			r.User = "alice"
			r = insert(t, tab.store, r)
			tab.change(t, r.ID, "format = 9, later_text = 'later'")
			return r
		}
		ended, revoked, kept := row(), row(), row()
		list, err := tab.store.List(ctx, driver.ListRequest{User: "alice", Limit: 10})
		check(t, err)
		for _, r := range list {
			if r.Data != nil || r.User != "alice" || r.Version == 0 {
				t.Errorf("listed %+v", r)
			}
		}
		if live, dead, err := count(ctx, tab.store); len(list) != 3 || live != 3 || dead != 0 || err != nil {
			t.Errorf("listed %d, counted %d and %d, %v", len(list), live, dead, err)
		}
		check(t, end(ctx, tab.store, ended.ID))
		check(t, a.manager.Revoke(ctx, "alice", revoked.ID))
		if n, err := reap(ctx, tab.store, 10); n != 0 || err != nil || tab.rows(t) != 1 {
			t.Errorf("deleted %d live rows, %v", n, err)
		}
		tab.age(t, 5*time.Hour)
		if _, err := tab.store.Load(ctx, kept.Ref); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("past its expiry: %v", err)
		}
		row()
		if n, err := reap(ctx, tab.store, 10); n != 1 || err != nil || tab.rows(t) != 1 {
			t.Errorf("deleted %d of the one dead row, %v", n, err)
		}
		if n, err := a.manager.RevokeUser(ctx, "alice"); n != 1 || err != nil || tab.rows(t) != 0 {
			t.Errorf("revoked %d, %v", n, err)
		}
	})
}

// One of a batch.
func TestRowOfALaterFormatInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *table) {
		const n, later = 10, 3
		ctx := t.Context()
		rows := make([]driver.Row, n)
		for i := range rows {
			rows[i] = insert(t, tab.store, newRow(fmt.Sprintf(`{"n":%d}`, i)))
		}
		tab.change(t, rows[later].ID, "format = 9")
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
			got, err := tab.store.Load(ctx, rows[i].Ref)
			if err == nil && (got.Ref != rows[i].Ref || string(got.Data) != string(rows[i].Data)) {
				t.Errorf("row %d: %s", i, got.Data)
			}
			return err
		}, driver.ErrSchema)
		if statements := tab.together(t, loads...); statements > 2 {
			t.Errorf("%d loads took %d statements", n, statements)
		}
	})
}
