package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// lineEvery is how often a plain line tells that it goes on.
const lineEvery = 5 * time.Second

// A progress shows how far a sweep is: by a bar on a terminal, by a plain line
// now and then elsewhere, and not at all when it is quiet.
type progress struct {
	bar   *progressbar.ProgressBar
	lines io.Writer
	now   func() time.Time
	last  time.Time // when a line was printed
	done  int
	line  string // with a place for what
	what  string
}

func (c *cleanup) progress(ctx context.Context, d *database, w io.Writer) (*progress, error) {
	if c.quiet {
		return &progress{}, nil
	}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return newLines(w, time.Now, deletedSoFar, "expired session"), nil
	}
	stats, err := d.store.Stats(ctx) // worth a count, because somebody is watching
	if err != nil {
		return nil, err
	}
	if stats.Dead <= c.batch {
		return &progress{}, nil
	}
	return newBar(w, stats.Dead, "deleting"), nil
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
		// More than the total when sessions expire meanwhile. What the bar can
		// fail on is writing to a terminal that is gone.
		_ = p.bar.Set(min(p.done, p.bar.GetMax()))
	}
	if p.lines != nil && p.now().Sub(p.last) >= lineEvery {
		p.last = p.now()
		fmt.Fprintf(p.lines, p.line, plural(p.done, p.what))
	}
}

// end clears the line of the bar, so that the result takes its place.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
