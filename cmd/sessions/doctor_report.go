package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// The statuses of findings.
const (
	statusOK      = "ok"
	statusNote    = "note"
	statusWarning = "warning"
	statusError   = "error"
)

// A finding is what one check found. The names are for scripts and do not change.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Text   string `json:"text"`
	Advice string `json:"advice"`
	Value  any    `json:"value,omitempty"`
}

// findings are all that was found.
type findings []finding

func (x *examination) add(f finding) {
	f.Check = x.name
	x.report = append(x.report, f)
}

func (x *examination) ok(text string, value any) {
	x.add(finding{Status: statusOK, Text: text, Value: value})
}

func (x *examination) note(text, advice string, value any) {
	x.add(finding{Status: statusNote, Text: text, Advice: advice, Value: value})
}

func (x *examination) warn(text, advice string, value any) {
	x.add(finding{Status: statusWarning, Text: text, Advice: advice, Value: value})
}

func (x *examination) fail(text, advice string, value any) {
	x.add(finding{Status: statusError, Text: text, Advice: advice, Value: value})
}

func (r findings) count(status string) (n int) {
	for _, f := range r {
		if f.Status == status {
			n++
		}
	}
	return n
}

// print prints the findings, and returns the exit code as an error that prints nothing.
func (r findings) print(w io.Writer, d *database, asJSON bool) error {
	shown := findings{}
	for _, f := range r {
		if f.Status != statusOK || !d.quiet {
			shown = append(shown, f)
		}
	}
	show := shown.text
	if asJSON {
		show = shown.json
	}
	if err := show(w, d); err != nil {
		return err
	}
	switch {
	case r.count(statusError) > 0:
		return &exitError{code: exitErrors}
	case r.count(statusWarning) > 0:
		return &exitError{code: exitWarnings}
	}
	return nil
}

func (r findings) text(w io.Writer, d *database) error {
	for _, f := range r {
		fmt.Fprintf(w, "%-8s %s\n", f.Status, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(w, "         what to do: %s\n", f.Advice)
		}
	}
	wrong, doubtful, notes := r.count(statusError), r.count(statusWarning), r.count(statusNote)
	verdict := "well"
	if wrong+doubtful > 0 {
		verdict = "not well"
	}
	_, err := fmt.Fprintf(w, "\n%s at %s is %s: %s, %s, %s.\n", d.tableName(), d.where, verdict,
		plural(wrong, "error"), plural(doubtful, "warning"), plural(notes, "note"))
	return err
}

func (r findings) json(w io.Writer, d *database) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Database string   `json:"database"`
		At       string   `json:"at"`
		Table    string   `json:"table"`
		Errors   int      `json:"errors"`
		Warnings int      `json:"warnings"`
		Notes    int      `json:"notes"`
		Findings findings `json:"findings"`
	}{d.name, d.where, d.tableName(), r.count(statusError), r.count(statusWarning), r.count(statusNote), r})
}

// age is a duration as people say it.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return plural(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return plural(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return plural(int(d/time.Minute), "minute")
	}
	return plural(int(d/time.Second), "second")
}

// size is a number of bytes as people say it.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return plural(int(n), "byte")
}
