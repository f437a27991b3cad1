package memstore_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		New:   func(*testing.T) driver.Store { return memstore.New().KeepTime() },
		Again: func(_ *testing.T, s driver.Store) driver.Store { return s },
		// Break is left out: memory does not fail.
		Lacks: map[string]string{
			"a row can't have a verifier that is not a SHA-256": "package express keeps the session IDs of Express there",
		},
		Age: func(_ *testing.T, s driver.Store, d time.Duration) { s.(*memstore.Store).Age(d) },
	})
}

// Package express has the session IDs of Express for verifiers, and IDs that follow from them.
func TestStoreForExpress(t *testing.T) {
	t.Parallel()
	const follow = "IDs follow from the verifiers"
	storetest.Run(t, storetest.Harness{
		New:   func(*testing.T) driver.Store { return memstore.New().KeepTime() },
		Again: func(_ *testing.T, s driver.Store) driver.Store { return s },
		Ref: func() driver.Ref {
			sid := rand.Text() + rand.Text()
			return driver.Ref{ID: driver.ID(uuid.Derive(sid)), Verifier: driver.Verifier(sid)}
		},
		Lacks: map[string]string{
			"create never takes an ID that is taken":                        follow,
			"IDs can be chosen, and are listed in the order of their bytes": follow,
			"a new verifier does not change the ID":                         follow,
			"end ends a row, whatever its verifier is by then":              follow,
			"end ends the row, whatever verifier it gets at the same time":  follow,
			"a row can't have a verifier that is not a SHA-256":             follow,
			"verifiers can be any bytes":                                    follow,
			"replaced verifiers":                                            follow,
			"grace":                                                         follow,
			"order/end all goes on after the last row":                      follow,
			"marks/there is none without a number, or after an ID":          follow,
		},
		Age: func(_ *testing.T, s driver.Store, d time.Duration) { s.(*memstore.Store).Age(d) },
	})
}
