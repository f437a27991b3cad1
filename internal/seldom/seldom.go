// Package seldom keeps clients from filling the log.
package seldom

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// pause is how long a Line counts.
const pause = time.Minute

// A Line is a line of a log that is written seldom, for what a client can bring about as
// often as it likes. The zero value is ready.
type Line struct {
	Most int // times a minute; 0 is once

	mu      sync.Mutex
	next    time.Time // when a minute is over
	written int       // in this minute
	leftOut int
}

// Log writes the line, with how many were left out since the one before, or leaves it out.
func (l *Line) Log(ctx context.Context, to *slog.Logger, level slog.Level, text string, args ...any) {
	leftOut, due := l.due()
	if !due {
		return
	}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	to.Log(ctx, level, text, args...)
}

func (l *Line) due() (leftOut int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !now.Before(l.next) {
		l.next, l.written = now.Add(pause), 0
	}
	if l.written >= max(l.Most, 1) {
		l.leftOut++
		return 0, false
	}
	l.written++
	leftOut, l.leftOut = l.leftOut, 0
	return leftOut, true
}
