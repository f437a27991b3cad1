package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// perSecond is the throughput of a turn.
func (t *turn) perSecond() float64 { return float64(t.requests) / t.elapsed.Seconds() }

// each is a sum of the turn for each request.
func (t *turn) each(n int64) float64 { return float64(n) / float64(max(t.requests, 1)) }

// line is a turn in the form that benchstat reads.
func (s *section) line(at cell, c contender, t *turn) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Benchmark%s/server=%s/contender=%s/callers=%d %d %.0f ns/op %.0f req/s %d p50-ns %d p99-ns",
		strings.ToUpper(at.workload[:1])+at.workload[1:], strings.ReplaceAll(s.title, " ", "-"), at.contender, at.callers,
		t.requests, float64(t.elapsed)/float64(max(t.requests, 1)), t.perSecond(), t.times.quantile(0.5), t.times.quantile(0.99))
	if !c.apart {
		fmt.Fprintf(&b, " %.0f B/op %.1f allocs/op %.3f statements/op %.3f trips/op",
			t.each(t.used.bytes), t.each(t.used.allocations), t.each(t.used.statements), t.each(t.used.trips))
	}
	fmt.Fprintf(&b, " %.0f journal-B/op %.1f growth-B/op", t.each(t.used.journal), t.each(t.used.size))
	if t.lost != 0 {
		fmt.Fprintf(&b, " %d lost", t.lost)
	}
	if t.failures != 0 {
		fmt.Fprintf(&b, " %d failures", t.failures)
	}
	return b.String()
}

// A spread is the median of some rounds, with the least and the greatest.
type spread struct{ least, median, greatest float64 }

func spreadOf(values []float64) (s spread) {
	if len(values) == 0 {
		return s
	}
	v := slices.Sorted(slices.Values(values))
	s = spread{v[0], v[len(v)/2], v[len(v)-1]}
	if len(v)%2 == 0 {
		s.median = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	return s
}

// over is the spread of a number of each round.
func (s *section) over(at cell, number func(*turn) float64) spread {
	var values []float64
	for _, t := range s.turns[at] {
		values = append(values, number(t))
	}
	return spreadOf(values)
}

// ratio divides round by round, because both had the same machine only then.
func (s *section) ratio(at, to cell, number func(*turn) float64) (spread, bool) {
	var values []float64
	a, b := s.turns[at], s.turns[to]
	for i := range min(len(a), len(b)) {
		values = append(values, number(a[i])/max(number(b[i]), 1e-9))
	}
	return spreadOf(values), len(values) > 0
}

// toHand is the throughput of a cell as a ratio to that of the statements by hand.
func (s *section) toHand(at cell) (spread, bool) {
	for _, c := range s.entries {
		if c.name == at.contender {
			return s.ratio(at, cell{c.hand, at.workload, at.callers}, (*turn).perSecond)
		}
	}
	return spread{}, false
}

// machine says what all of it ran on.
func machine() string {
	name := "an unknown processor"
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d processors (%s), %s, %s/%s", runtime.NumCPU(), name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// duration with three digits.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}

// closest is the number of callers nearest to n among those measured with a workload.
func (s *section) closest(w workload, n int) int {
	all := s.plan.callersOf(w)
	if len(all) == 0 {
		return 0
	}
	return slices.MinFunc(all, func(a, b int) int { return cmp.Compare(max(a-n, n-a), max(b-n, n-b)) })
}
