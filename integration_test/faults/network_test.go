package faults_test

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// hasty is a time limit for what can't be answered in any time.
const hasty = 300 * time.Millisecond

// The network fails while all operations run, each with its session loaded and before it
// has written anything, and stays like that. Nothing is answered but 503, and everything goes
// on when the network does.
func TestNetworkFails(t *testing.T) {
	for _, i := range servedBy() {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			w := newWorld(t, b.Connect(t))
			for _, test := range []struct {
				name     string
				fault    faultproxy.Fault
				patience time.Duration
				want     verdict
			}{
				{"F1 connections are refused", faultproxy.Refuse, calmly, refused},
				{"F2 what is sent vanishes", faultproxy.Blackhole, hasty, refused},
				{"F3 reset before the request", faultproxy.ResetBefore, calmly, refused},
				{"F4 reset after the request", faultproxy.ResetAfter, calmly, unknown},
				{"F4 reset in place of the answer", faultproxy.LoseAnswer, calmly, unknown},
				{"F5 reset in the answer", faultproxy.CutAnswer, calmly, unknown},
				{"F6 later than the time limit", faultproxy.Slow, hasty, unknown},
				{"F7 a byte a second", faultproxy.Drip, hasty, unknown},
			} {
				if b.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.LeavesOut(t, test.name) {
					continue
				}
				t.Run(test.name, func(t *testing.T) {
					mend := func() {
						w.proxy.Set(faultproxy.None)
						w.proxy.Settle()
						w.proxy.Reset() // what is under way: pgx would wait for it for 15 seconds
					}
					verdicts := all(test.want)
					strike(t, w.cells(t, test.patience, verdicts), func() { w.proxy.Set(test.fault) }, mend, verdicts)
				})
			}
			t.Run("F10 all connections are reset", func(t *testing.T) {
				strike(t, w.cells(t, calmly, lostAll), w.proxy.Reset, nothing, lostAll)
			})
		})
	}
}
