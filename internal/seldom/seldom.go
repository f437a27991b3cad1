// Package seldom keeps clients from filling the log.
package seldom

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// pause is the time between two lines.
const pause = time.Minute

// A Line is a line of a log that is written once a minute, for what a client can bring about
// as often as it likes. The zero value is ready.
type Line struct {
	mu      sync.Mutex
	next    time.Time
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
	now := time.Now()
	if now.Before(l.next) {
		l.leftOut++
		return 0, false
	}
	l.next = now.Add(pause)
	leftOut, l.leftOut = l.leftOut, 0
	return leftOut, true
}
