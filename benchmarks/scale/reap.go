package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
)

// reap asks what the reaper costs requests, first as many as they can be and then at a fixed rate.
func reap(ctx context.Context, s *scale) error {
	for _, rate := range []float64{0, s.rate} {
		if err := s.with(ctx, false, func(t *table) error { return t.beside(ctx, rate) }); err != nil {
			return err
		}
	}
	return nil
}

// beside compares the requests' times without and with the reaper. A rate of 0 is no pause.
func (t *table) beside(ctx context.Context, rate float64) error {
	dead, live, windows := t.size(1_000_000, 200_000), t.size(100_000, 20_000), t.size(7, 2)
	f := &foreground{table: t, live: live, rate: rate, span: time.Duration(t.size(5, 1)) * time.Second}
	if err := errors.Join(t.fill(ctx, "live", live), t.fill(ctx, "dead", dead), t.settle(ctx)); err != nil {
		return err
	}
	if _, err := f.p99(ctx); err != nil { // to warm up
		return err
	}
	var alone, beside []float64
	var reaped int64
	for range windows {
		without, err := f.p99(ctx)
		if err != nil {
			return err
		}
		with, n, ended, err := f.reaped(ctx)
		if err != nil {
			return err
		}
		reaped += n
		if ended && len(alone) > 0 { // the backlog is gone, and the window was not full
			break
		}
		alone, beside = append(alone, without), append(beside, with)
		t.progressf("p99 %.2f ms without, %.2f ms with the reaper, which deleted %.0f rows a second", without, with, float64(n)/f.span.Seconds())
	}
	requests := fmt.Sprintf("%.0f requests a second at fixed times", rate)
	if rate == 0 {
		requests = "requests as fast as they go"
	}
	without, with := bench.SpreadOf(alone), bench.SpreadOf(beside)
	ratio := with.Median / without.Median
	t.resultf(ratio <= 1.25, "1.25 or less",
		"%d callers, %s, %d live rows, a backlog of %d of which %d went: "+
			"p99 %s ms without the reaper, %s ms with it (%d windows of %s each, in turn): ratio %.2f",
		bench.Callers, requests, live, dead, reaped, without, with, len(alone), f.span, ratio)
	return nil
}

// A foreground makes requests at fixed times, whether or not the ones before were answered.
type foreground struct {
	*table

	live int
	rate float64 // 0 for no pause between requests
	span time.Duration
}

var errEnded = errors.New("the time is over")

// p99 makes requests for the span, and returns that of their times in milliseconds.
func (f *foreground) p99(ctx context.Context) (float64, error) {
	var mu sync.Mutex
	var times []time.Duration
	begin, n := time.Now(), int(f.rate*f.span.Seconds())
	if f.rate == 0 {
		n = math.MaxInt
	}
	err := bench.Parallel(ctx, n, func(_, i int) error {
		due := time.Now()
		if f.rate > 0 {
			due = bench.Await(begin, i, f.rate)
		} else if due.Sub(begin) > f.span {
			return errEnded
		}
		if err := f.request(ctx, i); err != nil {
			return err
		}
		took := time.Since(due)
		mu.Lock()
		defer mu.Unlock()
		times = append(times, took)
		return nil
	})
	if errors.Is(err, errEnded) {
		err = nil
	}
	slices.Sort(times)
	return bench.Quantile(times, 0.99).Seconds() * 1000, err
}

// request is a load, with every tenth a touch and with every twentieth a save.
func (f *foreground) request(ctx context.Context, i int) error {
	at := liveRef(rand.IntN(f.live))
	row, err := f.store.Load(ctx, at)
	if err != nil {
		return err
	}
	life := driver.Life{Idle: row.ExpiresIn + time.Second}
	switch {
	case i%20 == 0:
		_, err = f.store.Save(ctx, driver.SaveRequest{
			From: at, Version: row.Version, Verifier: at.Verifier, User: row.User, Data: row.Data, Life: life,
		})
		if errors.Is(err, driver.ErrConflict) {
			err = nil // another caller had the same session
		}
	case i%10 == 5:
		_, err = f.store.Touch(ctx, driver.TouchRequest{Ref: at, Life: life})
	}
	return err
}

// reaped is p99 with the reaper beside it, which is stopped at the end. ended means that it had
// nothing left to do before.
func (f *foreground) reaped(ctx context.Context) (p99 float64, n int64, ended bool, err error) {
	sweeping, stop := context.WithCancel(ctx)
	defer stop()
	reaper := &sessions.Reaper{Store: f.store}
	swept := make(chan error, 1)
	go func() {
		deleted, err := reaper.Sweep(sweeping)
		n, ended = int64(deleted), sweeping.Err() == nil
		swept <- err
	}()
	p99, err = f.p99(ctx)
	stop()
	sweepErr := <-swept
	if !ended {
		sweepErr = nil // it was stopped
	}
	return p99, n, ended, errors.Join(err, sweepErr)
}

// atOnce is one DELETE in place of a reaper's batches.
const atOnce = 0

// backlog compares the reaper with one DELETE on tables that are alike.
func backlog(ctx context.Context, s *scale) error {
	n := s.size(1_000_000, 50_000)
	rates := map[int]float64{}
	for _, batch := range []int{atOnce, 50, 10_000} {
		if err := s.with(ctx, false, func(t *table) error {
			took, err := t.emptied(ctx, n, batch)
			rates[batch] = float64(n) / took.Seconds()
			return err
		}); err != nil {
			return err
		}
	}
	ratio := rates[10_000] / rates[atOnce]
	s.resultf(ratio >= 0.5, "0.5 or more",
		"%d expired rows, nothing beside: %.0f rows a second with one DELETE, %.0f with batches of 10,000 (%.2f) and %.0f with batches of 50",
		n, rates[atOnce], rates[10_000], ratio, rates[50])
	return nil
}

// emptied is how long it takes to delete n expired rows, beside a tenth as many live ones.
func (t *table) emptied(ctx context.Context, n, batch int) (time.Duration, error) {
	if err := errors.Join(t.fill(ctx, "live", n/10), t.fill(ctx, "dead", n), t.settle(ctx)); err != nil {
		return 0, err
	}
	var deleted int
	var err error
	begin := time.Now()
	if batch == atOnce {
		var many int64
		many, err = t.exec(ctx, t.Pick(`DELETE FROM sessions WHERE expires_at <= now() - interval '1 minute'`,
			`DELETE FROM sessions WHERE expires_at <= UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE`))
		deleted = int(many)
	} else {
		deleted, err = (&sessions.Reaper{Store: t.store, BatchSize: batch, NoRest: true}).Sweep(ctx)
	}
	if err == nil && deleted != n {
		err = fmt.Errorf("%d rows of %d were deleted", deleted, n)
	}
	return time.Since(begin), err
}
