package sessions

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/deadline"
	"github.com/sqlsessions/sessions/observe"
)

// A Reaper deletes sessions that have expired. Correctness does not depend on it:
// such a session is dead whether or not its row is still there. Any number of
// machines may run one on the same table; they share the work. (On a Galera cluster
// let them use one node.)
//
//	reaper := &sessions.Reaper{Store: store}
//	go reaper.Run(ctx)
//
// The zero value of each field but Store is its default. Do not change fields once
// it runs.
type Reaper struct {
	// Store is where to delete. Required.
	Store Store

	// Interval is the time from the end of one sweep to the start of the next,
	// give or take a tenth. Defaults to 5 minutes.
	Interval time.Duration

	// BatchSize is how many rows one statement looks at, up to 10,000. Requests
	// may wait for a large one. Defaults to 50.
	BatchSize int

	// NoRest starts the next batch at once, to work off a backlog. By default each
	// batch is followed by a rest as long as it took, at most a second.
	NoRest bool

	// Observer's Sweep is called after each batch. Defaults to none.
	Observer *observe.Observer

	// Logger gets a line for each sweep that deleted something or failed.
	// Defaults to slog.Default() at the time of use.
	Logger *slog.Logger
}

// maxBatch keeps a batch within the parameters that one statement may have.
const maxBatch = 10_000

// batchTimeout bounds one batch.
const batchTimeout = 30 * time.Second

// maxBackoff bounds the pause after a failed sweep, unless Interval is longer.
const maxBackoff = 10 * time.Minute

// Run sweeps again and again until ctx ends, and returns context.Cause(ctx). The
// error wraps [ErrInvalid], at once, if a field can't be used. The first sweep comes
// after a random part of Interval, at most 10 seconds, so that a fleet that starts
// together does not sweep together. After an error the pause doubles each time.
func (r *Reaper) Run(ctx context.Context) error {
	if err := r.validate(); err != nil {
		return err
	}
	interval := cmp.Or(r.Interval, 5*time.Minute)
	pause := time.Duration(rand.Int64N(int64(min(interval, 10*time.Second)) + 1))
	for backoff := time.Second; ; {
		if err := deadline.Sleep(ctx, pause); err != nil {
			return err
		}
		start := time.Now()
		n, err := r.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			r.logger().Error("sessions: reaper: sweep failed", "deleted", n, "error", err, "retry_in", backoff)
			pause, backoff = backoff, min(2*backoff, max(maxBackoff, interval))
			continue
		case n > 0:
			r.logger().Info("sessions: reaper: deleted expired sessions", "deleted", n, "took", time.Since(start))
		}
		backoff = time.Second
		pause = deadline.Jitter(interval)
	}
}

// Sweep deletes dead rows, batch by batch, and returns how many, also when an error
// stopped it. A row may stay for up to two hours after it expired.
func (r *Reaper) Sweep(ctx context.Context) (int, error) {
	if err := r.validate(); err != nil {
		return 0, err
	}
	deleted := 0
	for {
		start := time.Now()
		result, err := r.batch(ctx)
		took := time.Since(start)
		deleted += result.Deleted
		if o := r.Observer; o != nil && o.Sweep != nil {
			o.Sweep(ctx, observe.Sweep{Deleted: result.Deleted, Took: took, Err: err})
		}
		if err != nil {
			return deleted, fmt.Errorf("sessions: reaper: %w", classify(err))
		}
		if !result.More {
			return deleted, nil
		}
		if r.NoRest {
			took = 0
		}
		if err := deadline.Sleep(ctx, min(took, time.Second)); err != nil {
			return deleted, err
		}
	}
}

func (r *Reaper) validate() error {
	switch {
	case r.Store == nil:
		return fmt.Errorf("%w: Reaper.Store is nil", ErrInvalid)
	case r.BatchSize < 0 || r.BatchSize > maxBatch:
		return fmt.Errorf("%w: Reaper.BatchSize is %d; use 1 to %d, or 0 for the default", ErrInvalid, r.BatchSize, maxBatch)
	case r.Interval < 0:
		return fmt.Errorf("%w: Reaper.Interval is %v; use a positive time, or 0 for the default", ErrInvalid, r.Interval)
	}
	return nil
}

func (r *Reaper) batch(ctx context.Context) (driver.ReapResult, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	return r.Store.Reap(ctx, driver.ReapRequest{Limit: cmp.Or(r.BatchSize, 50)})
}

func (r *Reaper) logger() *slog.Logger { return cmp.Or(r.Logger, slog.Default()) }
