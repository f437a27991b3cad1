package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

// A section is what was measured on one server.
type section struct {
	server   string // its product and version
	product  string
	settings []string
	plan     *plan
	away     time.Duration // of the database in the last rounds
	entries  []*entry
	work     []workload
	turns    map[cell][]*turn // one a round
}

// A cell is what a number is about.
type cell struct {
	contender, workload string
	callers             int
}

func (p *plan) measure(ctx context.Context, server *bench.Server) (s *section, err error) {
	s = &section{server: server.Title(), product: server.Product(), plan: p, turns: map[cell][]*turn{}}
	if s.settings, err = server.Settings(ctx); err != nil {
		return nil, err
	}
	s.entries, err = p.open(ctx, server)
	defer func() {
		for _, e := range s.entries {
			err = errors.Join(err, e.Close())
		}
	}()
	if err != nil {
		return s, err
	}
	for _, work := range workloads {
		if len(p.work) > 0 && !slices.Contains(p.work, work.name) {
			continue
		}
		s.work = append(s.work, work)
		for _, callers := range p.callersOf(work) {
			if err := s.rounds(ctx, work, callers); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// toHand is a contender's throughput as a ratio to that of the statements by hand. It divides round
// by round, since the machine was the same only then.
func (s *section) toHand(e *entry, w workload, callers int) (ratio bench.Spread, ok bool) {
	return s.compare(e, w, callers, (*turn).perSecond)
}

// compare divides a contender's numbers by those of the statements by hand.
func (s *section) compare(e *entry, w workload, callers int, number func(*turn) float64) (ratio bench.Spread, ok bool) {
	var values []float64
	is, hand := s.turns[cell{e.name, w.name, callers}], s.turns[cell{e.measure, w.name, callers}]
	for i := range min(len(is), len(hand)) {
		values = append(values, number(is[i])/max(number(hand[i]), 1e-9))
	}
	return bench.SpreadOf(values), len(values) > 0
}

// slowest is the time within which 99 of 100 requests end.
func (t *turn) slowest() float64 { return float64(bench.Quantile(t.times, 0.99)) }

// columns are those of performance.csv. The tables of details have the ones after the server.
var columns = strings.Split("server,workload,callers,contender,ratio_to_hand,p99_to_hand,requests_per_second,p50_us,p99_us,"+
	"statements,allocations,bytes,journal_bytes,growth_bytes,lost_percent", ",")

// record is the medians of a cell, or nil if it was not measured.
func (s *section) record(e *entry, w workload, callers int) []string {
	ratio, ok := s.toHand(e, w, callers)
	if !ok {
		return nil
	}
	turns := s.turns[cell{e.name, w.name, callers}]
	var all turn
	for _, t := range turns {
		all.requests += t.requests
		all.lost += t.lost
		all.used.size += t.used.size
	}
	median := func(digits int, value func(*turn) float64) string {
		var values []float64
		for _, t := range turns {
			values = append(values, value(t))
		}
		return number(bench.SpreadOf(values).Median, digits)
	}
	each := func(digits int, count func(*turn) int64) string {
		return median(digits, func(t *turn) float64 { return float64(count(t)) / float64(max(t.requests, 1)) })
	}
	micros := func(q float64) string {
		return median(0, func(t *turn) float64 { return float64(bench.Quantile(t.times, q).Microseconds()) })
	}
	slowest, _ := s.compare(e, w, callers, (*turn).slowest)
	record := []string{
		s.server, w.name, strconv.Itoa(callers), e.name, number(ratio.Median, 3), number(slowest.Median, 3),
		median(0, (*turn).perSecond), micros(0.5), micros(0.99),
	}
	switch {
	case e.apart:
		record = append(record, "", "", "")
	case e.elsewhere:
		record = append(record, "", each(1, func(t *turn) int64 { return t.used.allocations }), each(0, func(t *turn) int64 { return t.used.bytes }))
	default:
		record = append(record, each(3, func(t *turn) int64 { return t.used.statements }),
			each(1, func(t *turn) int64 { return t.used.allocations }), each(0, func(t *turn) int64 { return t.used.bytes }))
	}
	// A table grows by many pages at once, and in most rounds not at all.
	growth := float64(all.used.size) / float64(max(all.requests, 1))
	lost := ""
	if w.together > 0 {
		lost = number(100*float64(all.lost)/float64(max(all.requests, 1)), 0)
	}
	return append(record, each(0, func(t *turn) int64 { return t.used.journal }), number(growth, 0), lost)
}

func number(n float64, digits int) string { return strconv.FormatFloat(n, 'f', digits, 64) }

const (
	beginMark = "<!-- benchmark: begin -->\n"
	endMark   = "<!-- benchmark: end -->\n"
)

// write replaces what is between the marks of performance.md, and the files beside it.
func write(directory string, all []*section) error {
	path := filepath.Join(directory, "performance.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, begins := strings.Cut(string(old), beginMark)
	_, tail, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return fmt.Errorf("benchmarks: %s has no marks to write between: %s%s", path, beginMark, endMark)
	}
	var tables strings.Builder
	for _, s := range all {
		tables.WriteString(s.markdown())
		if err := os.WriteFile(filepath.Join(directory, s.plotFile()), []byte(s.plot()), 0o644); err != nil {
			return err
		}
	}
	text := head + beginMark + "\n" + tables.String() + endMark + tail
	return errors.Join(os.WriteFile(path, []byte(text), 0o644), writeCSV(filepath.Join(directory, "performance.csv"), all))
}

func (s *section) plotFile() string { return "performance-" + strings.ToLower(s.product) + ".svg" }

// markdown is the section with its tables.
func (s *section) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n![Throughput as a ratio to the statements by hand, %s](%s)\n\n", s.server, s.server, s.plotFile())
	fmt.Fprintf(&b, "%d connections each, %d rounds of %v, %s.\n", bench.Connections, s.plan.rounds, s.plan.span, bench.Machine())
	half := len(s.settings) / 2
	fmt.Fprintf(&b, "Read back from the server:\n%s,\n%s.\n\n", strings.Join(s.settings[:half], ", "), strings.Join(s.settings[half:], ", "))
	s.ratios(&b)
	s.details(&b)
	return b.String()
}

// row writes a row of a table.
func row(b *strings.Builder, columns ...string) {
	b.WriteString("| " + strings.Join(columns, " | ") + " |\n")
}

func head(b *strings.Builder, columns ...string) {
	row(b, columns...)
	row(b, slices.Repeat([]string{"---"}, len(columns))...)
}

// ratios is the table over callers.
func (s *section) ratios(b *strings.Builder) {
	names := []string{"workload", "contender"}
	for _, n := range s.plan.callers {
		names = append(names, "callers: "+strconv.Itoa(n))
	}
	head(b, names...)
	for _, w := range s.work {
		for _, e := range s.entries {
			cells, some := []string{w.name, e.name}, false
			for _, n := range s.plan.callers {
				text := ""
				if r, ok := s.toHand(e, w, n); ok {
					slowest, _ := s.compare(e, w, n, (*turn).slowest)
					text, some = fmt.Sprintf("%v, p99 %.2f", r, slowest.Median), true
				}
				cells = append(cells, text)
			}
			if some && e.name != e.measure {
				row(b, cells...)
			}
		}
	}
	b.WriteString("\n")
}

// detailed are the workloads whose details are in performance.md. The others are in the CSV file.
var detailed = []string{"read", "counter", "login", "parallel"}

// details is the table of everything else, at 64 callers or the most that were measured.
func (s *section) details(b *strings.Builder) {
	// The ratio is in the table above.
	shown := func(record []string) []string { return slices.Concat(record[1:4], record[6:len(record)-1]) }
	head(b, shown(columns)...)
	for _, w := range s.work {
		n := slices.Max(append(slices.DeleteFunc(s.plan.callersOf(w), func(n int) bool { return n > 64 }), 0))
		for _, e := range s.entries {
			if record := s.record(e, w, n); record != nil && !e.apart && slices.Contains(detailed, w.name) {
				row(b, shown(record)...)
			}
		}
	}
	b.WriteString("\n")
}

// writeCSV writes all records.
func writeCSV(path string, all []*section) error {
	records := [][]string{columns}
	for _, s := range all {
		for _, w := range s.work {
			for _, n := range s.plan.callersOf(w) {
				for _, e := range s.entries {
					if record := s.record(e, w, n); record != nil {
						records = append(records, record)
					}
				}
			}
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(file).WriteAll(records), file.Close())
}
