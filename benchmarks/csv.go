package main

import (
	"fmt"
	"strings"
)

// csvFile is beside performance.md.
const csvFile = "performance.csv"

// table is every cell's medians, for spreadsheets. Nothing in it needs quotes.
func table(all []*section) string {
	var b strings.Builder
	b.WriteString("server,workload,callers,contender,ratio_to_hand,requests_per_second,p50_us,p99_us,statements,round_trips,allocations,bytes,journal_bytes,growth_bytes\n")
	for _, s := range all {
		for _, w := range s.work {
			for _, n := range s.plan.callersOf(w) {
				for _, c := range s.entries {
					s.record(&b, c, cell{c.name, w.name, n})
				}
			}
		}
	}
	return b.String()
}

func (s *section) record(b *strings.Builder, c contender, at cell) {
	if len(s.turns[at]) == 0 {
		return
	}
	median := func(number func(*turn) float64) float64 { return s.over(at, number).median }
	micros := func(q float64) float64 {
		return median(func(t *turn) float64 { return float64(t.times.quantile(q)) / 1e3 })
	}
	ratio, _ := s.toHand(at)
	fmt.Fprintf(b, "%s,%s,%d,%s,%.3f,%.0f,%.0f,%.0f,", s.title, at.workload, at.callers, at.contender,
		ratio.median, median((*turn).perSecond), micros(0.5), micros(0.99))
	if c.apart {
		b.WriteString(",,,,")
	} else {
		fmt.Fprintf(b, "%.3f,%.3f,%.1f,%.0f,",
			median(func(t *turn) float64 { return t.each(t.used.statements) }), median(func(t *turn) float64 { return t.each(t.used.trips) }),
			median(func(t *turn) float64 { return t.each(t.used.allocations) }), median(func(t *turn) float64 { return t.each(t.used.bytes) }))
	}
	fmt.Fprintf(b, "%.0f,%.0f\n", median(func(t *turn) float64 { return t.each(t.used.journal) }), s.growth(at))
}
