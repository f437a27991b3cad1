// Package bench is what the commands of this module share: servers that keep every commit, new
// databases on them, work by many callers, and the arithmetic of results.
package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Main runs a command until it ends or is interrupted.
func Main(run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Callers is how many goroutines Parallel uses, as many as a pool has connections.
const Callers = Connections

// Parallel calls do for each number below n, until one call fails.
func Parallel(ctx context.Context, n int, do func(caller, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for caller := range Callers {
		all.Go(func() {
			for i := int(next.Add(1) - 1); i < n && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				if err := do(caller, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// Await sleeps until call i is due, at a rate of calls a second, and returns the time to measure
// from. That is now if it slept, since a late timer is not the database's fault, and the time that
// the call was due if the caller was still busy.
func Await(begin time.Time, i int, rate float64) time.Time {
	due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
	if wait := time.Until(due); wait > 0 {
		time.Sleep(wait)
		return time.Now()
	}
	return due
}

// Text returns n random characters, which compress little.
func Text(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[rand.IntN(36)]
	}
	return string(text)
}

// A Spread is the median of some values, with the least and the greatest.
type Spread struct{ Least, Median, Greatest float64 }

// SpreadOf returns the zero Spread if there are no values.
func SpreadOf(values []float64) (s Spread) {
	if len(values) == 0 {
		return s
	}
	v := slices.Sorted(slices.Values(values))
	s = Spread{v[0], v[len(v)/2], v[len(v)-1]}
	if len(v)%2 == 0 {
		s.Median = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	return s
}

func (s Spread) String() string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Least, s.Greatest)
}

// Quantile returns the time that a share q of the sorted times does not exceed.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*q), len(sorted)-1)]
}
