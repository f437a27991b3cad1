package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
)

// loads asks whether a large table is slower to load from than a small one.
func loads(ctx context.Context, s *scale) error {
	counts := [2]int{10_000, s.size(10_000_000, 1_000_000)}
	return s.with(ctx, false, func(small *table) error {
		return s.with(ctx, false, func(large *table) error {
			tables := [2]*table{small, large}
			for i, t := range tables {
				if err := errors.Join(t.fill(ctx, "live", counts[i]), t.settle(ctx)); err != nil {
					return err
				}
			}
			size, err := large.Size(ctx, "sessions")
			if err != nil {
				return err
			}
			s.detailf("%d rows take %.1f MB with their indexes", counts[1], mb(size))
			if err := large.warm(ctx); err != nil {
				return err
			}
			for _, n := range []int{1, 16, 64} {
				if err := s.compare(ctx, tables, counts, n, ""); err != nil {
					return err
				}
			}
			for _, t := range tables {
				if t.store, err = t.Store(ctx, true); err != nil {
					return err
				}
			}
			return s.compare(ctx, tables, counts, 64, ", one by one")
		})
	})
}

// compare loads from both tables in turn.
func (s *scale) compare(ctx context.Context, tables [2]*table, counts [2]int, callers int, how string) error {
	var ratios []float64
	var rates [2][]float64
	for round := range s.size(5, 3) + 1 {
		var rate [2]float64
		for i := range tables {
			at := (i + round) % 2
			var err error
			if rate[at], err = loading(ctx, tables[at].store, counts[at], callers, time.Duration(s.size(1000, 400))*time.Millisecond); err != nil {
				return err
			}
		}
		if round == 0 {
			continue // to warm up
		}
		ratios = append(ratios, rate[0]/rate[1])
		rates[0], rates[1] = append(rates[0], rate[0]), append(rates[1], rate[1])
	}
	ratio := bench.SpreadOf(ratios)
	s.resultf(ratio.Median <= 1.3, "1.3 or less", "%d callers%s: %.0f loads a second from %d rows, %.0f from %d: %s times",
		callers, how, bench.SpreadOf(rates[0]).Median, counts[0], bench.SpreadOf(rates[1]).Median, counts[1], ratio)
	return nil
}

// warm reads all rows once by their IDs, so that the cache holds what it can.
func (t *table) warm(ctx context.Context) error {
	if !t.Postgres() {
		_, err := t.int(ctx, "SELECT SUM(LENGTH(data)) FROM sessions FORCE INDEX (PRIMARY)")
		return err
	}
	tx, err := t.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// A scan of the whole table would leave both it and the index out of the cache.
	if _, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL max_parallel_workers_per_gather = 0"); err != nil {
		return err
	}
	var sum int64
	return tx.QueryRowContext(ctx, "SELECT sum(length(data::text)) FROM sessions WHERE id >= '00000000-0000-0000-0000-000000000000'").Scan(&sum)
}

// loading returns how many random loads a second the callers get.
func loading(ctx context.Context, store driver.Store, n, callers int, span time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(begin) < span && ctx.Err() == nil {
				if _, err := store.Load(ctx, liveRef(rand.IntN(n))); err != nil {
					cancel(err)
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds(), context.Cause(ctx)
}
