package express_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// elsewhere is a zone that is hours away from the server's, to the west or to the east.
func elsewhere(t *testing.T, c *testbed.Conns, west bool) string {
	t.Helper()
	var offset float64
	testbed.Check(t, c.DB.QueryRowContext(t.Context(), "SELECT extract(timezone FROM now())::float8 / 3600").Scan(&offset))
	if west {
		return fmt.Sprintf("Etc/GMT%+d", -int(offset)+5) // POSIX counts to the west
	}
	return fmt.Sprintf("Etc/GMT%+d", -int(offset)-5)
}

// The trap: the same instant is another text in the column, through a connection
// with another time zone. node-postgres asks for none.
func TestExpressZoneOfTheClient(t *testing.T) {
	for _, backend := range []int{1, 4} {
		plain := testbed.Backends[backend].Connect(t)
		for _, west := range []bool{true, false} {
			zone := elsewhere(t, plain, west)
			t.Run(fmt.Sprint(plain.Name, " west ", west), func(t *testing.T) {
				f := foreignTable(t, plain).opened(t)
				shifted := testbed.Backends[backend].ConnectTo(t, testbed.WithParameters(testbed.PostgresURL, "timezone="+strings.ReplaceAll(zone, "+", "%2B")))
				// What Open prevents.
				id := sid()
				other := &foreign{Conns: shifted, name: f.name}
				other.set(t, id, `{}`, time.Minute)
				_, found := f.get(t, id)
				live := f.expiry(t, id) - f.now(t)
				if west && (found || live > -4*3600) || !west && (!found || live < 4*3600) {
					t.Errorf("upstream finds a session with a minute to live: %v, for %v s", found, live)
				}
				if _, err := f.open(t, shifted); !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), zone) || !strings.Contains(err.Error(), "PGTZ") {
					t.Errorf("opened with TimeZone %s: %v", zone, err)
				}
				// An instant is an instant in any zone.
				f = foreignTable(t, plain, "timestamp(6)", "timestamptz").opened(t, shifted)
				_, err := testbed.Create(t.Context(), f.store, driver.Row{Ref: named(id), Data: []byte(`{}`)}, driver.Life{Idle: time.Minute, Absolute: time.Hour})
				testbed.Check(t, err)
				if live := f.expiry(t, id) - f.now(t); live < 0 || live > 61 {
					t.Errorf("a session of a minute lives %v s", live)
				}
				if _, ok := f.get(t, id); !ok {
					t.Error("upstream does not find it")
				}
			})
		}
	}
}

func TestExpressZoneOfOneStatement(t *testing.T) {
	for _, backend := range []int{1, 4} {
		c := testbed.Backends[backend].ConnectSized(t, "", 1)
		f := foreignTable(t, c)
		set := func(statement string) {
			t.Helper()
			tx, err := c.DB.BeginTx(t.Context(), nil)
			testbed.Check(t, err)
			defer func() { _ = tx.Rollback() }()
			_, err = tx.ExecContext(t.Context(), statement)
			testbed.Check(t, err)
			testbed.Check(t, tx.Commit())
		}
		t.Cleanup(func() { _, _ = c.DB.Exec("RESET TimeZone") })
		set(fmt.Sprintf("SET TimeZone = '%s'", elsewhere(t, c, true)))
		if _, err := f.open(t); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("%s: opened after SET TimeZone: %v", c.Name, err)
		}
		set("RESET TimeZone")
		if _, err := f.open(t); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// A role's own zone is what a connection of node-postgres gets too, if it is the same role.
func TestExpressZoneOfARole(t *testing.T) {
	admin := testbed.Backends[testbed.Postgres].Connect(t)
	for i, c := range []struct {
		zone, client string // of the role; in the DSN
		refused      bool
		warns        string
	}{
		{zone: "America/New_York", warns: "the time zone is not UTC"},
		{zone: "America/New_York", client: "America/New_York"},
		{zone: "America/New_York", client: "America/Toronto"},
		{zone: "UTC", client: "Etc/UCT"},
		{zone: "UTC", client: "Europe/London", refused: true}, // the same for half of the year
		{zone: "Asia/Kathmandu", client: "UTC", refused: true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			f := foreignTable(t, admin)
			role := fmt.Sprint("express_zone_", i)
			through := roleIn(t, admin, role, c.zone)
			f.run(t, fmt.Sprintf(testbed.GrantRuntime, f.name, role))
			if c.client != "" {
				through = admin.ConnectTo(t, testbed.WithParameters(through.URL, "timezone="+c.client))
			}
			_, err := f.open(t, through)
			if c.refused != errors.Is(err, sessions.ErrInvalid) || c.refused && !strings.Contains(err.Error(), "others get "+c.zone) {
				t.Errorf("opened with %s: %v", c.client, err)
			}
			if !c.refused {
				testbed.Check(t, err)
			}
			if !strings.Contains(f.log.String(), c.warns) || c.zone == "UTC" && strings.Contains(f.log.String(), "is not UTC") {
				t.Errorf("warned %q, want %q", f.log.String(), c.warns)
			}
		})
	}
	// Other roles may be the Express application's.
	f := foreignTable(t, admin)
	roleIn(t, admin, "express_zone_other", elsewhere(t, admin, true))
	f.opened(t)
	if !strings.Contains(f.log.String(), "set for single roles") || !strings.Contains(f.log.String(), "express_zone_other") {
		t.Errorf("warned %q of another role's zone", f.log.String())
	}
}
