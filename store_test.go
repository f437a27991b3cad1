package sessions_test

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/storetest"
)

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		New: func(*testing.T) sessions.Store { return sessions.NewMemoryStore(0) },
		// Break is left out: memory does not fail.
		Lacks: map[string]string{
			"a row can't have a verifier that is no SHA-256": "package express keeps the session IDs of Express there",
		},
		Age: func(_ *testing.T, s sessions.Store, d time.Duration) { s.(*sessions.MemoryStore).Age(d) },
	})
}
