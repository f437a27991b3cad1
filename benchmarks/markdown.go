package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	beginMark = "<!-- benchmark: begin -->\n"
	endMark   = "<!-- benchmark: end -->\n"
)

// write puts the sections between the marks of performance.md, and the plots beside it.
func write(directory string, all []*section) error {
	path := filepath.Join(directory, "performance.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, begins := strings.Cut(string(old), beginMark)
	_, tail, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return errors.New("benchmarks: " + path + " has no marks to write between: " + strings.TrimSpace(beginMark) + " and " + strings.TrimSpace(endMark))
	}
	var b strings.Builder
	b.WriteString(head + beginMark + "\n")
	for _, s := range all {
		if err := os.WriteFile(filepath.Join(directory, s.plotFile()), []byte(s.plot()), 0o644); err != nil {
			return err
		}
		b.WriteString(s.markdown())
	}
	if err := os.WriteFile(filepath.Join(directory, csvFile), []byte(table(all)), 0o644); err != nil {
		return err
	}
	b.WriteString(about(all))
	b.WriteString(endMark + tail)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (s *section) plotFile() string { return "performance-" + strings.ToLower(s.product) + ".svg" }

// markdown is the section with its tables.
func (s *section) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n![Throughput as a ratio to the statements by hand, %s](%s)\n\n", s.title, s.title, s.plotFile())
	fmt.Fprintf(&b, "%d connections each, %d rounds of %v, %s.\nRead back from the server: %s.\n\n", connections, s.plan.rounds, s.plan.span, s.machine, s.settings)
	if len(s.missing) > 0 {
		fmt.Fprintf(&b, "Left out because it could not be started: %s.\n\n", strings.Join(s.missing, ", "))
	}
	s.ratios(&b)
	s.details(&b)
	return b.String()
}

// ratios is the table over callers.
func (s *section) ratios(b *strings.Builder) {
	b.WriteString("Throughput as a ratio to the statements by hand in the same round: the median, and the least and the greatest of all rounds.\n\n")
	b.WriteString("| workload | contender |")
	for _, n := range s.plan.callers {
		fmt.Fprintf(b, " %s |", callersText(n))
	}
	b.WriteString("\n| --- | --- |" + strings.Repeat(" --- |", len(s.plan.callers)) + "\n")
	for _, w := range s.work {
		for _, c := range s.entries {
			var row strings.Builder
			some := false
			for _, n := range s.plan.callers {
				r, ok := s.toHand(cell{c.name, w.name, n})
				if some = some || ok; ok {
					fmt.Fprintf(&row, " %.2f (%.2f–%.2f) |", r.median, r.least, r.greatest)
				} else {
					row.WriteString(" |")
				}
			}
			if some && c.name != c.hand {
				fmt.Fprintf(b, "| %s | %s |%s\n", w.name, c.name, row.String())
			}
		}
	}
	b.WriteString("\n")
}

func callersText(n int) string {
	if n == 1 {
		return "1 caller"
	}
	return strconv.Itoa(n) + " callers"
}

// details is the table of everything else, at one number of callers for each workload.
func (s *section) details(b *strings.Builder) {
	b.WriteString("Each request, medians; growth is that of all rounds by all requests. Allocations and bytes include the benchmark's own, and of another process they can't be seen. All numbers of callers are in [" + csvFile + "](" + csvFile + ").\n\n")
	b.WriteString("| workload | callers | contender | requests/s | p50 | p99 | statements | round trips | allocations | bytes | " + s.journalName() + " bytes | growth, bytes | notes |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, w := range s.work {
		n := s.closest(w, 64)
		for _, c := range s.entries {
			at := cell{c.name, w.name, n}
			if len(s.turns[at]) == 0 {
				continue
			}
			median := func(number func(*turn) float64) float64 { return s.over(at, number).median }
			p50 := median(func(t *turn) float64 { return float64(t.times.quantile(0.5)) })
			p99 := median(func(t *turn) float64 { return float64(t.times.quantile(0.99)) })
			fmt.Fprintf(b, "| %s | %d | %s | %.0f | %s | %s |", w.name, n, c.name, median((*turn).perSecond), duration(time.Duration(p50)), duration(time.Duration(p99)))
			if c.apart {
				b.WriteString(" | | | |")
			} else {
				fmt.Fprintf(b, " %.2f | %.2f | %.0f | %.0f |",
					median(func(t *turn) float64 { return t.each(t.used.statements) }), median(func(t *turn) float64 { return t.each(t.used.trips) }),
					median(func(t *turn) float64 { return t.each(t.used.allocations) }), median(func(t *turn) float64 { return t.each(t.used.bytes) }))
			}
			fmt.Fprintf(b, " %.0f | %.0f | %s |\n",
				median(func(t *turn) float64 { return t.each(t.used.journal) }), s.growth(at), s.notes(at))
		}
	}
	b.WriteString("\n")
}

// growth is that of all rounds: a table grows by many pages at once, and in most rounds not at all.
func (s *section) growth(at cell) float64 {
	var all turn
	for _, t := range s.turns[at] {
		all.requests += t.requests
		all.used.size += t.used.size
	}
	return all.each(all.used.size)
}

// notes are what makes a number less than it looks.
func (s *section) notes(at cell) string {
	var lost, failures, all int64
	for _, t := range s.turns[at] {
		lost, failures, all = lost+t.lost, failures+t.failures, all+t.requests
	}
	var notes []string
	if lost != 0 {
		notes = append(notes, fmt.Sprintf("%.0f %% of the changes lost", 100*float64(lost)/float64(all)))
	}
	if failures != 0 {
		notes = append(notes, fmt.Sprintf("%d of %d requests failed", failures, all))
	}
	return strings.Join(notes, ", ")
}

func (s *section) journalName() string {
	if s.product == "PostgreSQL" {
		return "WAL"
	}
	return "redo"
}

// about says who the contenders are and what they leave out.
func about(all []*section) string {
	var b strings.Builder
	b.WriteString("### Who is who\n\n")
	seen := map[string]bool{}
	for _, s := range all {
		for _, c := range s.entries {
			if seen[c.name] {
				continue
			}
			seen[c.name] = true
			fmt.Fprintf(&b, "- **%s**: %s.", c.name, c.about)
			if c.less != "" {
				fmt.Fprintf(&b, " Does less: %s.", c.less)
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\nWorkloads:\n\n")
	for _, w := range workloads() {
		fmt.Fprintf(&b, "- **%s** %s.\n", w.name, w.about)
	}
	return b.String() + "\n"
}
