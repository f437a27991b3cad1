package doctor

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

// The statuses of findings.
const (
	OK      = "ok"
	Note    = "note"
	Warning = "warning"
	Error   = "error"
)

// A Finding is what a check found. The names are for scripts and do not change.
type Finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Text   string `json:"text"`
	Advice string `json:"advice"`
	Value  any    `json:"value,omitempty"`
}

func ok(text string, value any) []Finding { return []Finding{{"", OK, text, "", value}} }

var note, warning, failure = one(Note), one(Warning), one(Error)

func one(status string) func(text, advice string, value any) []Finding {
	return func(text, advice string, value any) []Finding { return []Finding{{"", status, text, advice, value}} }
}

// as gives findings a name other than the check's.
func as(name string, found []Finding) []Finding {
	for i := range found {
		found[i].Check = name
	}
	return found
}

// A Report is everything that was found.
type Report struct {
	Database string    `json:"database"`
	At       string    `json:"at"`
	Table    string    `json:"table"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	Findings []Finding `json:"findings"`
}

// add gives the findings the check's name, except those that have one of their own.
func (r *Report) add(check string, found []Finding) {
	for _, f := range found {
		f.Check = cmp.Or(f.Check, check)
		switch f.Status {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		case Note:
			r.Notes++
		}
		r.Findings = append(r.Findings, f)
	}
}

// Print prints the report for people.
func (r *Report) Print(w io.Writer) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s %s\n", f.Status, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(w, "         what to do: %s\n", f.Advice)
		}
	}
	verdict := "is healthy"
	if r.Errors+r.Warnings > 0 {
		verdict = "has problems"
	}
	_, err := fmt.Fprintf(w, "\n%s at %s %s: %s, %s, %s.\n", r.Table, r.At, verdict,
		target.Plural(r.Errors, "error"), target.Plural(r.Warnings, "warning"), target.Plural(r.Notes, "note"))
	return err
}

// age is a duration as people say it.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return target.Plural(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return target.Plural(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return target.Plural(int(d/time.Minute), "minute")
	}
	return target.Plural(int(d/time.Second), "second")
}

// size is a number of bytes as people say it.
func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
