package testbed

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/storetest"
)

// RunSuite runs the conformance suite on tables of these connections, after changes to each.
func RunSuite(t *testing.T, c *Conns, changes ...func(tab *Table, t testing.TB)) {
	t.Helper()
	storetest.Run(t, Harness(t, c, changes...))
}

// RunSuiteInMode is RunSuite for a mode of a driver or a session, without what shows no more in
// one mode than in another: races, other processes and large numbers.
func RunSuiteInMode(t *testing.T, c *Conns, changes ...func(tab *Table, t testing.TB)) {
	t.Helper()
	h := Harness(t, c, changes...)
	h.Again, h.Lacks = nil, map[string]string{}
	LackRaces(h.Lacks)
	storetest.Run(t, h)
}

// LackRaces adds the names of the suite's tests that show no more in one mode than in another.
func LackRaces(lacks map[string]string) {
	for _, name := range []string{
		"many",
		"end ends the row, whatever is written at the same time",
		"end ends the row, whatever verifier it gets at the same time",
		"end all ends the row, whatever verifier it gets at the same time",
		"end all ends rows that get new verifiers at the same time",
		"a replaced verifier finds nothing, whatever happens at the same time",
		"the reaper and requests do not hold each other up",
	} {
		lacks[name] = "runs without the mode"
	}
}

// Harness returns what RunSuite runs the suite with.
func Harness(t *testing.T, c *Conns, changes ...func(tab *Table, t testing.TB)) storetest.Harness {
	t.Helper()
	tables := map[sessions.Store]*Table{}
	migrated := c.NewTable(t)
	return storetest.Harness{
		New: func(t *testing.T) sessions.Store {
			tab := migrated.Another(t)
			for _, change := range changes {
				change(tab, t)
			}
			tables[tab.Store] = tab
			return tab.Store
		},
		Age: func(t *testing.T, s sessions.Store, d time.Duration) {
			tables[s].Age(t, d)
		},
		Again: func(t *testing.T, s sessions.Store) sessions.Store {
			other := tables[s].ConnectSized(t, inAnotherZone(tables[s].Conns), 8)
			return other.OpenStore(t, tables[s].Name)
		},
		Break: func(t *testing.T, s sessions.Store) {
			c.Close()
			t.Cleanup(func() { c.Open(t, c) })
		},
	}
}

// inAnotherZone returns the address of the database, for connections in a time zone that
// tests use nowhere else.
func inAnotherZone(c *Conns) string {
	switch c.Dialect {
	case migrations.PostgreSQL:
		return WithParameters(c.URL, "timezone=Pacific%2FChatham")
	case migrations.MySQL:
		return WithParameters(c.URL, "parseTime=true&time_zone=%27%2B12%3A45%27")
	}
	return c.URL
}
