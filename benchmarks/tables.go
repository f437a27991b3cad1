package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

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
					text, some = r.String(), true
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
var detailed = []string{"read", "counter", "login"}

// details is the table of everything else, at 64 callers or the most that were measured.
func (s *section) details(b *strings.Builder) {
	// The ratio is in the table above.
	shown := func(record []string) []string { return slices.Concat(record[1:4], record[5:len(record)-1]) }
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
