package stores_test

import (
	"errors"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// What is wrong with one call of a batch is nothing to its neighbours.
func TestNeighboursInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		ctx := t.Context()
		row := func() driver.Row { return testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`)) }
		good, other, stale, bad, taken, renewed := row(), row(), row(), row(), row(), row()
		gone, old := testbed.NewRow(`{"n":1}`), stale.Version
		gone.Version = 1
		stale.Version++
		saves := func(r *driver.Row, to driver.Verifier, data string, want error) func() {
			return func() {
				saved := *r
				saved.Data = []byte(data)
				v, err := testbed.Renew(ctx, tab.Store, saved, to, testbed.AnHour)
				if !errors.Is(err, want) || err == nil && (v == 0 || v == r.Version) {
					t.Errorf("save %s: version %d, %v, want %v", data, v, err, want)
				}
				if err == nil {
					r.Version, r.Verifier = v, to
				}
			}
		}
		same := func(r *driver.Row, data string, want error) func() { return saves(r, r.Verifier, data, want) }
		late := good
		before := renewed
		together(t, tab,
			same(&good, `{"n":2}`, nil),
			same(&stale, `{"stale":2}`, sessions.ErrConflict),
			same(&gone, `{"gone":2}`, sessions.ErrNotFound),
			same(&late, `{"n":4}`, sessions.ErrConflict), // in the next batch, because it is the same row
			same(&other, `{"n":2}`, nil),
			saves(&renewed, testbed.RandomVerifier(), `{"n":2}`, nil),
			func() {
				if _, err := tab.Store.Load(ctx, gone.Ref); !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("load: %v", err)
				}
			})
		stale.Version = old
		together(t, tab,
			same(&good, `{"n":4}`, nil),
			same(&bad, `{"bad":`, sessions.ErrValue),
			same(&before, `{"n":5}`, sessions.ErrNotFound), // with the verifier that it had
			same(&stale, `{"n":2}`, nil),
			same(&other, `{"n":3}`, nil))
		creates := func(r driver.Row, want error) func() {
			return func() {
				if _, err := testbed.Create(ctx, tab.Store, r, testbed.Day); !errors.Is(err, want) {
					t.Errorf("create: %v, want %v", err, want)
				}
			}
		}
		first, second, third := testbed.NewRow(`{"n":1}`), testbed.NewRow(`{"n":1}`), testbed.NewRow(`{"n":1}`)
		broken, sameID := testbed.NewRow(`{"n":`), testbed.NewRow(`{"n":9}`)
		sameID.ID = taken.ID
		together(t, tab, creates(first, nil), creates(taken, driver.ErrExists), creates(sameID, driver.ErrExists), creates(second, nil))
		together(t, tab, creates(third, nil), creates(broken, sessions.ErrValue))
		for want, rows := range map[string][]driver.Row{
			`{"n":1}`: {bad, taken, first, second, third}, `{"n":2}`: {stale, renewed}, `{"n":3}`: {other}, `{"n":4}`: {good},
		} {
			for _, r := range rows {
				if got, err := tab.Store.Load(ctx, r.Ref); err != nil || string(got.Data) != want {
					t.Errorf("%s, %v; want %s", got.Data, err, want)
				}
			}
		}
		if n := tab.Rows(t); n != 9 {
			t.Errorf("%d rows, want 9", n)
		}
	})
}
