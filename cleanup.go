package sessions

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A Reaper deletes expired sessions from a store. Correctness does not depend
// on it: an expired session is dead whether or not its row is still there. Any
// number of machines may run one on the same table; they share the work. (On a Galera cluster
// let them use one node.)
//
//	reaper := &sessions.Reaper{Store: store}
//	go reaper.Run(ctx)
//
// The fields are not to be changed once it runs. The zero value of each but
// Store is its default.
type Reaper struct {
	// Store is where to delete. Required.
	Store Store

	// Interval is the time from the end of one sweep to the start of the next,
	// give or take a tenth. Defaults to 5 minutes.
	Interval time.Duration

	// BatchSize is how many rows one transaction looks at, at the most, up to 10,000.
	// Requests wait for large ones. Defaults to 50.
	BatchSize int

	// NoRest goes on with the next batch at once. It is for a backlog at a time when nobody
	// waits, together with a large BatchSize. By default each batch is followed by a
	// rest as long as it took, at most a second, so that a database under load is left more room.
	NoRest bool

	// Timeout bounds one batch. Defaults to 30 seconds.
	Timeout time.Duration

	// OnBatch is called after each batch with the number of rows it deleted and the
	// time it took, to count or to show progress. Defaults to none.
	OnBatch func(deleted int, took time.Duration)

	// Logger gets a line for each sweep that deleted something or failed.
	// Defaults to slog.Default().
	Logger *slog.Logger

	deleted, sweeps, failures atomic.Int64
}

// ReaperStats count what a Reaper did since it was made.
type ReaperStats struct {
	Deleted  int64 // rows
	Sweeps   int64 // passes, failed ones included
	Failures int64 // passes that an error stopped
}

// maxBatch keeps a batch within the parameters that one statement may have.
const maxBatch = 10_000

// maxBackoff bounds the pause after a failed sweep, unless Interval is longer.
const maxBackoff = 10 * time.Minute

// Stats returns the counts so far. It may be called while Run runs.
func (r *Reaper) Stats() ReaperStats {
	return ReaperStats{Deleted: r.deleted.Load(), Sweeps: r.sweeps.Load(), Failures: r.failures.Load()}
}

// Run sweeps again and again until ctx ends, and then returns its error. The
// first sweep comes after a random part of Interval, at most 10 seconds, so that a
// fleet that starts together does not sweep together. After an error the pause doubles
// each time.
func (r *Reaper) Run(ctx context.Context) error {
	if err := r.validate(); err != nil {
		return err
	}
	interval := cmp.Or(r.Interval, 5*time.Minute)
	pause := time.Duration(rand.Int64N(int64(min(interval, 10*time.Second)) + 1))
	for backoff := time.Second; ; {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		start := time.Now()
		n, err := r.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.logger().Error("sessions: reaper: sweep failed", "deleted", n, "error", err, "retry_in", backoff)
			pause, backoff = backoff, min(2*backoff, max(maxBackoff, interval))
			continue
		case n > 0:
			r.logger().Info("sessions: reaper: deleted expired sessions", "deleted", n, "took", time.Since(start))
		}
		backoff = time.Second
		pause = jitter(interval)
	}
}

// Sweep deletes expired rows, batch by batch, and returns how many that were, also when an error
// stopped it. A row may stay for up to two hours after it expired.
func (r *Reaper) Sweep(ctx context.Context) (deleted int, err error) {
	r.sweeps.Add(1)
	defer func() {
		if err != nil {
			r.failures.Add(1)
		}
	}()
	if err := r.validate(); err != nil {
		return 0, err
	}
	for {
		start := time.Now()
		result, err := r.batch(ctx)
		took := time.Since(start)
		deleted += result.Deleted
		r.deleted.Add(int64(result.Deleted))
		if r.OnBatch != nil {
			r.OnBatch(result.Deleted, took)
		}
		if err != nil {
			return deleted, fmt.Errorf("sessions: reaper: %w", err)
		}
		if !result.More {
			return deleted, nil
		}
		if r.NoRest {
			took = 0
		}
		if err := sleep(ctx, min(took, time.Second)); err != nil {
			return deleted, err
		}
	}
}

// DryRun returns how many rows a sweep would delete by now. It may read the whole table.
func (r *Reaper) DryRun(ctx context.Context) (int, error) {
	if err := r.validate(); err != nil {
		return 0, err
	}
	stats, err := r.Store.Stats(ctx)
	if err != nil {
		return 0, fmt.Errorf("sessions: reaper: %w", err)
	}
	return stats.Dead, nil
}

func (r *Reaper) validate() error {
	switch {
	case r.Store == nil:
		return fmt.Errorf("%w: Reaper.Store is nil", ErrInvalid)
	case r.BatchSize < 0 || r.BatchSize > maxBatch:
		return fmt.Errorf("%w: Reaper.BatchSize is %d; use 1 to %d, or 0 for the default", ErrInvalid, r.BatchSize, maxBatch)
	case r.Interval < 0 || r.Timeout < 0:
		return fmt.Errorf("%w: Reaper.Interval is %v and Timeout %v; use positive times, or 0 for the defaults", ErrInvalid, r.Interval, r.Timeout)
	}
	return nil
}

func (r *Reaper) batch(ctx context.Context) (driver.ReapResult, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, 30*time.Second))
	defer cancel()
	return r.Store.Reap(ctx, driver.ReapRequest{Limit: cmp.Or(r.BatchSize, 50)})
}

func (r *Reaper) logger() *slog.Logger {
	if r.Logger != nil {
		return r.Logger
	}
	return slog.Default()
}

func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
