package torture_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// The checker sees each promise that is broken, within a minute.
func TestCheckerSees(t *testing.T) {
	switches := maps.Clone(brokenStores)
	maps.Copy(switches, brokenNodes)
	for _, name := range slices.Sorted(maps.Keys(switches)) {
		t.Run(name, func(t *testing.T) {
			s := switches[name]
			s.backends = []int{testbed.PGXPool, testbed.Postgres}
			if s.limit == 0 && !s.faults {
				s.limit = 3
			}
			w, total, began := newWorld(t, s), newSum(), time.Now()
			w.broken = true
			rule := cmp.Or(s.rule, "can be put in an order")
			length := time.Second
			if s.short {
				length = roundTime
			}
			for seed := uint64(1); ; seed++ {
				v := w.play(seed, length, total)
				if i := slices.IndexFunc(v.problems, func(p string) bool { return strings.Contains(p, rule) }); i >= 0 {
					t.Logf("seen after %v and %d operations: %.600s", time.Since(began).Round(100*time.Millisecond), total.operations, v.problems[i])
					return
				}
				if time.Since(began) > time.Minute {
					t.Fatalf("not seen in %d operations", total.operations)
				}
			}
		})
	}
}
