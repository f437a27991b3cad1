package testbed

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/storetest"
)

// RunSuite runs the conformance suite on tables of these connections, after changes to each.
func RunSuite(t *testing.T, c *Conns, changes ...func(tab *Table, t testing.TB)) {
	t.Helper()
	tables := map[sessions.Store]*Table{}
	migrated := c.NewTable(t)
	storetest.Run(t, storetest.Harness{
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
		Break: func(t *testing.T, s sessions.Store) {
			c.Close()
			t.Cleanup(func() { c.Open(t, c) })
		},
	})
}
