package stores_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A trigger may keep an ending from a row without an error. A logout that did nothing is not
// called one. On MySQL a trigger can only fail.
func TestAnEndingThatIsSwallowed(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		switch b.Dialect {
		case migrations.PostgreSQL:
			tab.Exec(t, "CREATE FUNCTION $TABLE_keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
				"CREATE TRIGGER keeps BEFORE UPDATE ON $TABLE FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION $TABLE_keeps()")
			t.Cleanup(func() {
				_, _ = tab.DB.ExecContext(context.Background(), "DROP FUNCTION "+tab.Name+"_keeps() CASCADE")
			})
		case migrations.SQLite:
			tab.Exec(t, "CREATE TRIGGER keeps BEFORE UPDATE ON $TABLE WHEN NEW.ended_at IS NOT NULL BEGIN SELECT RAISE(IGNORE); END")
		default:
			return
		}
		a := testbed.NewApp(t, tab)
		user := a.Browser(t)
		user.OK("/login?u=alice")
		if got := user.Fetch("/logout"); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a logout that did nothing is answered %d", got.StatusCode)
		}
		a.LogHolds(t, user.Cookie().Value)
		row := testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
		for _, version := range []driver.Version{0, row.Version} {
			err := tab.Store.End(t.Context(), driver.EndRequest{ID: row.ID, Version: version})
			if err == nil || errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
				t.Errorf("end of version %d: %v", version, err)
			}
		}
		if err := tab.Store.End(t.Context(), driver.EndRequest{ID: row.ID, Version: row.Version + 1}); !errors.Is(err, driver.ErrConflict) {
			t.Errorf("end of another version: %v", err)
		}
		if err := testbed.End(t.Context(), tab.Store, testbed.NewRow(`{}`).ID); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("end of no row: %v", err)
		}
		if b.Dialect == migrations.SQLite {
			return // where nothing tells what was kept from what was not selected
		}
		if n, err := testbed.EndUser(t.Context(), tab.Store, "alice"); n != 0 || err == nil {
			t.Errorf("ended %d, %v", n, err)
		}
	})
}
