package memstore_test

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		New: func(*testing.T) driver.Store { return memstore.New() },
		// Break is left out: memory does not fail.
		Lacks: map[string]string{
			"a row can't have a verifier that is not a SHA-256": "package express keeps the session IDs of Express there",
		},
		Age: func(_ *testing.T, s driver.Store, d time.Duration) { s.(*memstore.Store).Age(d) },
	})
}
