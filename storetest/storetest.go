// Package storetest checks that a store keeps the contract of package driver.
// A store of your own can be used when this passes (docs/store.md says more):
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{New: ..., Age: ...})
//	}
package storetest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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

	// Again returns another store on the same rows, as another process has it: with
	// connections of its own, in another time zone than New's if the database's connections
	// have one. It is called in a [testing/synctest] bubble too, whose clock is years off
	// from the database's, so what it starts has to end with t. Nil for a store that one
	// process alone can use.
	Again func(t *testing.T, store driver.Store) driver.Store

	// Fail makes a fault befall the nth exchange with the database from now, counted from
	// 1: a statement and its answer, say. It is over with that exchange, and with a call of
	// the function that Fail returns, which reports whether it happened. Nil for a store
	// that can't fail.
	Fail func(t *testing.T, store driver.Store, fault Fault, n int) (happened func() bool)

	// Ref returns a name and proof that no other row has, for a store that finds
	// rows by verifier and derives the ID: there a row with a new verifier has the
	// ID that goes with it. Nil for random ones; then a row keeps its ID.
	Ref func() driver.Ref

	// Lacks are subtests that the store can't pass, by name, with the reasons,
	// which are logged. They are not run. What comes before the slash in a name stands
	// for all subtests that begin with it.
	Lacks map[string]string
}

// A Fault is what a network does to an exchange between a store and its database.
type Fault int

// The faults. Of the store's connections they break at least the one that it uses for the
// exchange.
const (
	// LostStatement breaks the connection before the database has got the statement.
	LostStatement Fault = iota

	// LostAnswer breaks it when the database has carried out the statement, and before the
	// store has the answer.
	LostAnswer
)

// String returns a name.
func (f Fault) String() string {
	if f == LostAnswer {
		return "a lost answer"
	}
	return "a lost statement"
}

// A rule is something that the contract says, and how to check that a store keeps it.
type rule struct {
	name  string
	check func(*suite)
}

// group returns what comes before the slash in the name, or the name.
func (r rule) group() string {
	group, _, _ := strings.Cut(r.name, "/")
	return group
}

// rules returns all rules in the order in which they run.
func rules() []rule {
	return slices.Concat(rowRules, verifierRules, endRules, endingRules, expiryRules, reapRules, byteRules,
		nameRules, exactRules, keptRules, keptRowRules, graceRules, pendingRules, seenRules,
		bulkRules, orderRules, selectionRules, markRules, manyMarksRules, parallelRules, contestRules,
		manyRules, processRules, clockRules, faultRules)
}

// Run runs the suite, each rule as a subtest. The order is fixed, and what other rules rely
// on comes first: single rows, new verifiers, endings, expiries, the reaper, bytes, IDs,
// what a table made for something else may lack, listing and ending many rows, refused
// requests, marks, what runs in parallel, many rows, two processes, clocks, and at last faults.
func Run(t *testing.T, h Harness) {
	all := rules()
	for _, name := range slices.Sorted(maps.Keys(h.Lacks)) {
		reason := h.Lacks[name]
		if reason == "" || !slices.ContainsFunc(all, func(r rule) bool { return r.name == name || r.group() == name }) {
			t.Errorf("Lacks: %q with the reason %q: there is no such test, or no reason", name, reason)
		}
	}
	for _, r := range all {
		if reason := cmp.Or(h.Lacks[r.name], h.Lacks[r.group()]); reason != "" {
			t.Logf("not run: %s: %s", r.name, reason)
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			r.check(&suite{T: t, Harness: h, store: h.New(t)})
		})
	}
}
