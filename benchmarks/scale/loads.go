package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/servers"
)

// loads asks whether a large table is slower to load from than a small one.
func loads(ctx context.Context, b *bench) (err error) {
	var tables [2]*table
	counts := [2]int{10_000, b.rows}
	for i, n := range counts {
		if tables[i], err = b.table(ctx, ""); err != nil {
			return err
		}
		defer func() { err = joinClose(err, tables[i]) }()
		if err := tables[i].fill(ctx, "live", n, false); err != nil {
			return err
		}
		if err := tables[i].settle(ctx); err != nil {
			return err
		}
	}
	size, err := tables[1].bytes(ctx, "sessions")
	if err != nil {
		return err
	}
	b.detailf("%d rows take %.1f MB with their indexes (inserted in the order of their IDs)", b.rows, mb(size))
	if err := tables[1].warm(ctx); err != nil {
		return err
	}
	for _, how := range []struct {
		name    string
		callers int
		store   func(*table) driver.Store
	}{
		{"1 caller", 1, func(t *table) driver.Store { return t.store }},
		{"16 callers", 16, func(t *table) driver.Store { return t.store }},
		{"16 callers, OneByOne", 16, func(t *table) driver.Store { return t.alone }},
		{"64 callers", 64, func(t *table) driver.Store { return t.store }},
		{"64 callers, OneByOne", 64, func(t *table) driver.Store { return t.alone }},
	} {
		var ratios []float64
		var rates [2][]float64
		for round := range b.size(5, 3) + 1 {
			var rate [2]float64
			for i := range tables {
				at := (i + round) % 2
				if rate[at], err = loading(ctx, how.store(tables[at]), counts[at], how.callers, time.Duration(b.size(1000, 400))*time.Millisecond); err != nil {
					return err
				}
			}
			if round == 0 {
				continue // to warm up
			}
			ratios = append(ratios, rate[0]/rate[1])
			rates[0], rates[1] = append(rates[0], rate[0]), append(rates[1], rate[1])
		}
		slices.Sort(ratios)
		slices.Sort(rates[0])
		slices.Sort(rates[1])
		m := len(ratios) / 2
		b.resultf(ratios[m] <= 1.3, "1.3 or less", "%s: %.0f loads a second from %d rows, %.0f from %d: %.2f times (%d rounds in turn, %.2f to %.2f)",
			how.name, rates[0][m], counts[0], rates[1][m], counts[1], ratios[m], len(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return nil
}

// warm reads all rows once by their IDs, so that the cache holds what it can.
func (t *table) warm(ctx context.Context) error {
	t.progressf("reads the table once")
	if t.engine == servers.MySQL {
		_, err := t.int(ctx, "SELECT SUM(LENGTH(data)) FROM sessions FORCE INDEX (PRIMARY)")
		return err
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// A scan of the whole table would leave it out of the cache, and the index, too.
	if _, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL max_parallel_workers_per_gather = 0"); err != nil {
		return err
	}
	var sum int64
	return tx.QueryRowContext(ctx, "SELECT sum(length(data::text)) FROM sessions WHERE id >= '00000000-0000-0000-0000-000000000000'").Scan(&sum)
}

// loading returns how many random loads a second so many callers get.
func loading(ctx context.Context, store driver.Store, n, callers int, span time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(start) < span && ctx.Err() == nil {
				r, err := store.Load(ctx, ref("live", rand.IntN(n)))
				if err == nil && len(r.Data) < 200 {
					err = errors.New("a row without its data")
				}
				if err != nil {
					cancel(err)
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), context.Cause(ctx)
}
