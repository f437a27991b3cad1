package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
)

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
	s.resultf(ratio >= 0.5, "0.5 or more", "%d expired rows, nothing beside: %.0f rows a second with one DELETE, %.0f with batches of 10,000 (%.2f) and %.0f with batches of 50",
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
