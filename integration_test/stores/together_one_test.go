package stores_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A page load sends many requests of one session at once.
func TestOneSessionInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n = 20
		ctx := t.Context()
		row := testbed.NewRow(`{"n":1}`)
		row = testbed.Insert(t, tab.Store, row)
		loaded := make([]driver.Row, n)
		loads, saves := make([]func(), n), make([]func(), n)
		var won, lost atomic.Int64
		for i := range n {
			loads[i] = func() {
				var err error
				if loaded[i], err = tab.Store.Load(ctx, row.Ref); err != nil {
					t.Errorf("load %d: %v", i, err)
				}
			}
			saves[i] = func() {
				switch v, err := testbed.Save(ctx, tab.Store, loaded[i], testbed.AnHour); {
				case err == nil && v != row.Version:
					won.Add(1)
				case errors.Is(err, sessions.ErrConflict):
					lost.Add(1)
				default:
					t.Errorf("save %d: version %d, %v", i, v, err)
				}
			}
		}
		if statements := together(t, tab, loads...); statements > 2 { // one, and one to prepare it
			t.Errorf("%d loads of one row took %d statements", n, statements)
		}
		for i := range loaded {
			if string(loaded[i].Data) != `{"n":1}` {
				t.Fatalf("load %d: %s", i, loaded[i].Data)
			}
			loaded[i].Data[5] = '2' // the data belongs to this caller
		}
		// Of the saves after the winner only one is sent. Its answer is that of all that were queued
		// while the winner was under way.
		if statements := together(t, tab, saves...); statements > 3 {
			t.Errorf("%d saves of one version took %d statements", n, statements)
		}
		if won.Load() != 1 || lost.Load() != n-1 {
			t.Errorf("%d saves of one version won, %d lost", won.Load(), lost.Load())
		}
	})
}

// The saves of a session that has ended: what the first of them met answers those that
// waited for it.
func TestSavesOfAnEndedSessionInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n = 20
		row := testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
		testbed.Check(t, tab.Store.End(t.Context(), driver.EndRequest{ID: row.ID}))
		saves := make([]func(), n)
		for i := range saves {
			saves[i] = func() {
				if _, err := testbed.Save(t.Context(), tab.Store, row, testbed.AnHour); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("save %d: %v", i, err)
				}
			}
		}
		statements := together(t, tab, saves...)
		most := int64(8)
		if tab.Dialect == migrations.MySQL {
			most = 3 * n // a row that its batch does not find may be locked, so each save looks for itself
		}
		if statements > most {
			t.Errorf("%d saves of an ended session took %d statements", n, statements)
		}
	})
}
