// Package storetest checks that a store keeps the contract of package driver.
// A store of your own can be used when this passes:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{New: ..., Age: ...})
//	}
package storetest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A Harness is how the suite gets at the store under test. Fields may be added.
type Harness struct {
	// New returns a store without rows. Each test calls it once, and tests run
	// one after the other.
	New func(t *testing.T) driver.Store

	// Age makes all rows older by d, as if d had passed by the store's clock: it
	// moves every time that the store keeps back by d.
	Age func(t *testing.T, store driver.Store, d time.Duration)

	// Break makes every later call of the store fail, as when the database is
	// closed. Nil for a store that can't fail.
	Break func(t *testing.T, store driver.Store)

	// Ref returns a name and proof that no other row has, for a store that finds
	// rows by verifier and derives the ID: there a row with a new verifier has the
	// ID that goes with it. Nil for random ones; then a row keeps its ID.
	Ref func() driver.Ref

	// Lacks are subtests that the store can't pass, by name, with the reasons,
	// which are logged. They are not run.
	Lacks map[string]string
}

// A rule is something that the contract says, and how to check that a store keeps it.
type rule struct {
	name  string
	check func(*suite)
}

// rules returns all rules in the order in which they run.
func rules() []rule {
	return slices.Concat(rowRules, verifierRules, endRules, expiryRules, reapRules, byteRules,
		nameRules, exactRules, bulkRules, selectionRules, parallelRules, contestRules)
}

// Run runs the suite, each rule as a subtest. The order is fixed, and what other rules rely
// on comes first: single rows, new verifiers, endings, expiries, the reaper, bytes, IDs,
// what a table made for something else may lack, listing and ending many rows, refused
// requests, and at last what runs in parallel.
func Run(t *testing.T, h Harness) {
	all := rules()
	for _, name := range slices.Sorted(maps.Keys(h.Lacks)) {
		reason := h.Lacks[name]
		if reason == "" || !slices.ContainsFunc(all, func(r rule) bool { return r.name == name }) {
			t.Errorf("Lacks: %q with the reason %q: there is no such test, or no reason", name, reason)
		}
	}
	for _, r := range all {
		if reason := h.Lacks[r.name]; reason != "" {
			t.Logf("not run: %s: %s", r.name, reason)
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			r.check(&suite{T: t, Harness: h, store: h.New(t)})
		})
	}
}
