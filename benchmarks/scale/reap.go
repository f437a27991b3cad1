package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// reap asks what the reaper costs others.
func reap(ctx context.Context, b *bench) error {
	for _, rate := range []float64{0, b.rate} {
		if err := b.beside(ctx, rate); err != nil {
			return err
		}
	}
	return nil
}

// beside compares the foreground's times without and with the reaper. Rate is the foreground's
// requests a second, or 0 for as many as it can.
func (b *bench) beside(ctx context.Context, rate float64) (err error) {
	dead, live, windows, span := b.size(1_000_000, 200_000), b.size(100_000, 20_000), b.size(7, 2), 5*time.Second
	if b.short {
		span = time.Second
	}
	t, err := b.table(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, t) }()
	b.progressf("%d expired rows, %d live ones", dead, live)
	if err := errors.Join(t.fill(ctx, "live", live, false), t.fill(ctx, "dead", dead, true), t.settle(ctx)); err != nil {
		return err
	}
	f := &foreground{table: t, live: live, perSecond: rate}
	if err := f.run(ctx, span); err != nil { // to warm up
		return err
	}
	var alone, beside, ratios []time.Duration
	var reaped int64
	for range windows {
		if err := f.run(ctx, span); err != nil {
			return err
		}
		without := f.p99()
		n, ended, err := f.reaped(ctx, span)
		if err != nil {
			return err
		}
		reaped += n
		if ended && len(alone) > 0 { // the backlog is gone, and the window was not full
			break
		}
		alone, beside = append(alone, without), append(beside, f.p99())
		ratios = append(ratios, time.Duration(1000*float64(f.p99())/float64(without)))
		b.progressf("p99 %s without, %s with the reaper, which deleted %d rows (%.0f a second)", without, f.p99(), n, float64(n)/span.Seconds())
	}
	ratio := float64(median(beside)) / float64(median(alone))
	requests := fmt.Sprintf("%.0f requests a second at fixed times", rate)
	if rate == 0 {
		requests = "requests as fast as they go"
	}
	b.resultf(ratio <= 1.25, "1.25 or less",
		"%d callers, %s (a load each, a touch with every tenth, a save with every twentieth), %d live rows, a backlog of %d of which %d went: "+
			"p99 %s without the reaper, %s with it (medians of %d windows of %s each, in turn; without %s; with %s): ratio %.2f",
		callers, requests, live, dead, reaped, median(alone), median(beside), len(alone), span, join(alone), join(beside), ratio)
	b.detailf("ratios window by window, in thousandths: %v", ints(ratios))
	return nil
}

func ints(ds []time.Duration) (n []int64) {
	for _, d := range ds {
		n = append(n, int64(d))
	}
	return n
}

func median(ds []time.Duration) time.Duration { return slices.Sorted(slices.Values(ds))[len(ds)/2] }

func join(ds []time.Duration) string {
	texts := make([]string, len(ds))
	for i, d := range ds {
		texts[i] = d.String()
	}
	return strings.Join(texts, ", ")
}

// A foreground makes requests at fixed times, whether or not the ones before were answered.
type foreground struct {
	*table

	live      int
	perSecond float64         // 0 for no pause between requests
	times     []time.Duration // of the last run
}

func (f *foreground) p99() time.Duration {
	if len(f.times) == 0 {
		return 0
	}
	return f.times[len(f.times)*99/100].Round(10 * time.Microsecond)
}

var errEnded = errors.New("the time is over")

func (f *foreground) run(ctx context.Context, span time.Duration) error {
	var mu sync.Mutex
	f.times = nil
	begin := time.Now()
	n := int(f.perSecond * span.Seconds())
	if f.perSecond == 0 {
		n = math.MaxInt
	}
	err := parallel(ctx, n, func(_, i int) error {
		due := time.Now()
		switch {
		case f.perSecond > 0:
			due = await(begin, i, f.perSecond)
		case due.Sub(begin) > span:
			return errEnded
		}
		if err := f.request(ctx, i); err != nil {
			return err
		}
		took := time.Since(due)
		mu.Lock()
		defer mu.Unlock()
		f.times = append(f.times, took)
		return nil
	})
	slices.Sort(f.times)
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

func (f *foreground) request(ctx context.Context, i int) error {
	at := ref("live", rand.IntN(f.live))
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

// reaped is run with the reaper beside it, which stops at the end. ended tells that it stopped before.
func (f *foreground) reaped(ctx context.Context, span time.Duration) (n int64, ended bool, err error) {
	sweeping, stop := context.WithCancel(ctx)
	defer stop()
	reaper := &sessions.Reaper{Store: f.store, BatchSize: f.batch}
	swept := make(chan error, 1)
	var early atomic.Bool
	deleted := 0
	go func() {
		var err error
		deleted, err = reaper.Sweep(sweeping)
		early.Store(sweeping.Err() == nil)
		swept <- err
	}()
	err = f.run(ctx, span)
	stop()
	sweepErr := <-swept
	if !early.Load() {
		sweepErr = nil // it was stopped
	}
	return int64(deleted), early.Load(), errors.Join(err, sweepErr)
}
