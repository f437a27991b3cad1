package main

import (
	"fmt"
	"strings"
)

// goals are the ratios to the statements by hand that this library wants to reach, by callers.
var goals = map[string]map[string]map[int]float64{
	"PostgreSQL": {"read": {1: 0.85, 8: 0.85, 64: 2, 256: 2.5}, "counter": {1: 0.85, 8: 0.9, 64: 2.5, 256: 3.5}},
	"MySQL":      {"read": {64: 3, 256: 5}, "counter": {64: 1.8, 256: 2.5}},
	"MariaDB":    {"read": {64: 3, 256: 5}, "counter": {64: 1.3, 256: 1.6}},
}

// targets compares what was measured with what is wanted. It is for who runs the benchmark, and in no document.
func (s *section) targets() string {
	var b strings.Builder
	say := func(what string, is spread, want float64, met bool) {
		word := "missed"
		if met {
			word = "met"
		}
		fmt.Fprintf(&b, "%-6s %s, %s: %.2f (%.2f–%.2f), wanted %.2f\n", word, s.product, what, is.median, is.least, is.greatest, want)
	}
	for _, workload := range []string{"read", "counter"} {
		for _, n := range s.plan.callers {
			want, ok := goals[s.product][workload][n]
			is, measured := s.toHand(cell{"sessions", workload, n})
			if ok && measured {
				say(fmt.Sprintf("%s, %d callers, ratio to hand", workload, n), is, want, is.median >= want)
			}
		}
	}
	ours, theirs, hand := cell{"sessions", "read", 64}, cell{"scs-idle", "read", 64}, cell{"hand", "read", 64}
	if is, ok := s.ratio(ours, theirs, (*turn).perSecond); ok {
		say("read, 64 callers, ratio to scs with an idle timeout", is, 8, is.median >= 8)
	}
	p99 := func(t *turn) float64 { return float64(t.times.quantile(0.99)) }
	if is, ok := s.ratio(ours, hand, p99); ok {
		say("read, 64 callers, p99 as a ratio to hand's", is, 1, is.median <= 1)
	}
	ours.workload, hand.workload = "counter", "counter"
	if is, ok := s.ratio(ours, hand, p99); ok {
		say("counter, 64 callers, p99 as a ratio to hand's", is, 1, is.median <= 1)
	}
	return b.String()
}
