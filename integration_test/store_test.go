package integration_test

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/storetest"
)

// TestStore runs the conformance suite on every backend.
func TestStore(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		c := b.connect(t)
		tables := map[sessions.Store]*table{}
		storetest.Run(t, storetest.Harness{
			New: func(t *testing.T) sessions.Store {
				tab := c.newTable(t)
				tables[tab.store] = tab
				return tab.store
			},
			Age: func(t *testing.T, s sessions.Store, d time.Duration) {
				tables[s].age(t, d)
			},
			Break: func(t *testing.T, s sessions.Store) {
				c.close()
				t.Cleanup(func() { b.open(t, c) })
			},
		})
	})
}
