package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

// lineEvery is the time between two plain lines.
const lineEvery = 5 * time.Second

// A progress shows how far a command is: by a bar on a terminal, by a plain line now and
// then elsewhere, and not at all with --quiet.
type progress struct {
	bar   *progressbar.ProgressBar
	lines io.Writer
	now   func() time.Time
	last  time.Time // when a line was printed
	done  int
	line  string // with a place for what
	what  string
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (c *cleanup) progress(ctx context.Context, reaper *sessions.Reaper, w io.Writer) (*progress, error) {
	switch {
	case c.quiet:
		return &progress{}, nil
	case !isTerminal(w):
		return newLines(w, time.Now, deletedSoFar, "expired session"), nil
	}
	total, err := reaper.DryRun(ctx) // worth a count, because a person is watching
	switch {
	case err != nil:
		return nil, err
	case total <= c.batch:
		return &progress{}, nil
	}
	return newBar(w, total, "deleting"), nil
}

const deletedSoFar = "deleted %s so far\n"

func newLines(w io.Writer, now func() time.Time, line, what string) *progress {
	return &progress{lines: w, now: now, last: now(), line: line, what: what}
}

func newBar(w io.Writer, total int, doing string) *progress {
	return &progress{bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(doing),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (p *progress) add(n int) { p.set(p.done + n) }

func (p *progress) set(done int) {
	p.done = done
	if p.bar != nil {
		// There are more than the total if sessions expire at the same time. The bar fails
		// only if it can't write to the terminal.
		_ = p.bar.Set(min(p.done, p.bar.GetMax()))
	}
	if p.lines != nil && p.now().Sub(p.last) >= lineEvery {
		p.last = p.now()
		fmt.Fprintf(p.lines, p.line, target.Plural(p.done, p.what))
	}
}

// end clears the bar's line, for the result.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
