package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
)

// atOnce is one DELETE in place of a reaper's batches.
const atOnce = 0

// backlog compares the reaper with one DELETE on tables that are alike.
func backlog(ctx context.Context, b *bench) error {
	n := b.size(500_000, 50_000)
	rates := map[int]float64{}
	for _, batch := range []int{atOnce, 50, 10_000} {
		took, err := b.emptied(ctx, n, batch, false)
		if err != nil {
			return err
		}
		rates[batch] = float64(n) / took.Seconds()
	}
	b.detailf("a backlog of %d rows, nothing beside: %.0f rows a second with one DELETE, %.0f with the reaper's default batches of 50 and no rest: %.2f",
		n, rates[atOnce], rates[50], rates[50]/rates[atOnce])
	ratio := rates[10_000] / rates[atOnce]
	b.resultf(ratio >= 0.5, "0.5 or more", "the same with batches of 10,000: %.0f rows a second: %.2f", rates[10_000], ratio)
	return nil
}

// snapshot has the reaper work while an old transaction, a backup say, can see all that it deletes,
// so that nothing leaves the indexes. Four times the rows must not take much more than four times as long.
func snapshot(ctx context.Context, b *bench) error {
	counts := [2]int{20_000, 80_000}
	for _, batch := range []int{50, 10_000} {
		var took [2]time.Duration
		for i, n := range counts {
			var err error
			if took[i], err = b.emptied(ctx, n, batch, true); err != nil {
				return err
			}
		}
		ratio := float64(took[1]) / float64(took[0])
		b.resultf(ratio <= 6, "6 or less", "reaping in batches of %d with an old transaction open: %d rows in %s, %d in %s, %.1f times as long",
			batch, counts[0], took[0].Round(time.Millisecond), counts[1], took[1].Round(time.Millisecond), ratio)
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
