package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
)

// atOnce is one DELETE in place of a reaper's batches.
const atOnce = 0

// backlog compares the reaper with one DELETE on tables that are alike.
func backlog(ctx context.Context, b *bench) error {
	n, rounds := b.size(500_000, 50_000), b.size(3, 1)
	batches := []int{atOnce, 50, 10_000}
	rates := map[int][]float64{}
	for round := range rounds {
		for i := range batches {
			batch := batches[(i+round)%len(batches)] // each comes first in turn
			took, err := b.emptied(ctx, n, batch, false)
			if err != nil {
				return err
			}
			rates[batch] = append(rates[batch], float64(n)/took.Seconds())
		}
	}
	for _, batch := range batches[1:] {
		var ratios []float64
		var texts []string
		for round, rate := range rates[batch] {
			ratios = append(ratios, rate/rates[atOnce][round])
			texts = append(texts, fmt.Sprintf("%.0f to %.0f rows a second: %.2f", rate, rates[atOnce][round], ratios[round]))
		}
		slices.Sort(ratios)
		middle := ratios[(len(ratios)-1)/2]
		text := fmt.Sprintf("a backlog of %d rows, nothing beside: the reaper in batches of %d without a rest to one DELETE, %d rounds on new tables: %s; the median %.2f",
			n, batch, rounds, strings.Join(texts, "; "), middle)
		if batch == 10_000 {
			b.resultf(middle >= 0.5, "0.5 or more", "%s", text)
		} else {
			b.detailf("%s", text)
		}
	}
	return nil
}

// snapshot has the reaper work while an old transaction, a backup say, can see all that it deletes,
// so that nothing leaves the indexes. Four times the rows must not take much more than four times as long.
func snapshot(ctx context.Context, b *bench) error {
	counts := [2]int{20_000, 80_000}
	for _, batch := range []int{50, 10_000} {
		var best [2]time.Duration
		for range b.size(3, 1) {
			for i, n := range counts {
				took, err := b.emptied(ctx, n, batch, true)
				if err != nil {
					return err
				}
				if best[i] == 0 || took < best[i] {
					best[i] = took
				}
			}
		}
		ratio := float64(best[1]) / float64(best[0])
		b.resultf(ratio <= 6, "6 or less", "reaping in batches of %d with an old transaction open: %d rows in %s, %d in %s, %.1f times as long",
			batch, counts[0], best[0].Round(time.Millisecond), counts[1], best[1].Round(time.Millisecond), ratio)
	}
	return nil
}

// emptied is how long it takes to delete n rows. With old a transaction sees them until the end.
func (b *bench) emptied(ctx context.Context, n, batch int, old bool) (took time.Duration, err error) {
	t, err := b.table(ctx, "")
	if err != nil {
		return 0, err
	}
	defer func() { err = joinClose(err, t) }()
	if err := errors.Join(t.fill(ctx, "live", n/10, false), t.fill(ctx, "dead", n, true), t.settle(ctx)); err != nil {
		return 0, err
	}
	if old {
		tx, err := t.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err != nil {
			return 0, err
		}
		defer func() { _ = tx.Rollback() }()
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sessions").Scan(new(int)); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	var deleted int
	if batch == atOnce {
		var many int64
		many, err = t.exec(ctx, t.pick(`DELETE FROM sessions WHERE expires_at <= now() - interval '1 minute'`,
			`DELETE FROM sessions WHERE expires_at <= UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE`))
		deleted = int(many)
	} else {
		deleted, err = (&sessions.Reaper{Store: t.store, BatchSize: batch, NoRest: true}).Sweep(ctx)
	}
	took = time.Since(start)
	if err == nil && deleted != n {
		err = fmt.Errorf("%d rows of %d were deleted", deleted, n)
	}
	b.progressf("%d rows in batches of %d (0: at once), old transaction %t: %.0f rows a second", n, batch, old, float64(n)/took.Seconds())
	return took, err
}
