package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

// lineEvery is the time between two plain lines.
const lineEvery = 5 * time.Second

// A progress shows how far a command is: by a bar on a terminal, by a plain line now and
// then elsewhere, and not at all with --quiet.
type progress struct {
	done int
	show func(done int)
	end  func() // makes room for the result
}

func (p *progress) add(n int) { p.set(p.done + n) }

func (p *progress) set(done int) {
	p.done = done
	p.show(done)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (c *cleanup) progress(ctx context.Context, t *target.Target, w io.Writer) (*progress, error) {
	switch {
	case c.quiet:
		return newSilent(), nil
	case !isTerminal(w):
		return newLines(w, time.Now, deletedSoFar, "expired session"), nil
	}
	stats, err := t.Store.Stats(ctx) // worth a count, because a person is watching
	switch {
	case err != nil:
		return nil, err
	case stats.Dead <= c.batch:
		return newSilent(), nil
	}
	return newBar(w, stats.Dead, "deleting"), nil
}

const deletedSoFar = "deleted %s so far\n"

func newSilent() *progress { return &progress{show: func(int) {}, end: func() {}} }

// newLines prints lines with a place for how many of what are done.
func newLines(w io.Writer, now func() time.Time, line, what string) *progress {
	p, last := newSilent(), now()
	p.show = func(done int) {
		if now().Sub(last) >= lineEvery {
			last = now()
			fmt.Fprintf(w, line, target.Plural(done, what))
		}
	}
	return p
}

func newBar(w io.Writer, total int, doing string) *progress {
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(doing),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	// There are more than the total if sessions expire at the same time. The bar fails only
	// if it can't write to the terminal.
	return &progress{show: func(done int) { _ = bar.Set(min(done, bar.GetMax())) }, end: func() { _ = bar.Clear() }}
}
