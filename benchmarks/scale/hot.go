package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
)

// hot asks how many updates leave the indexes alone, which depends on the room on the pages.
func hot(ctx context.Context, s *scale) error {
	return s.with(ctx, true, func(t *table) error {
		n := s.size(100_000, 20_000)
		if err := errors.Join(t.fill(ctx, "live", n), t.settle(ctx)); err != nil {
			return err
		}
		const longer = 25 * time.Hour // than the idle time that fill gives a row
		// A caller has sessions of its own: of two touches at the same time one does nothing.
		some := func(caller int) int { return rand.IntN(n/bench.Callers)*bench.Callers + caller }
		touch := func(caller, _ int) error {
			_, err := t.store.Touch(ctx, driver.TouchRequest{Ref: liveRef(some(caller)), Life: driver.Life{Idle: longer}})
			return err
		}
		rate := float64(n) / 60 // the manager touches a session at most once a minute
		begin := time.Now()
		at, err := t.hotShare(ctx, s.size(n, n/5), func(caller, i int) error {
			bench.Await(begin, i, rate)
			return touch(caller, i)
		})
		if err != nil {
			return err
		}
		t.resultf(at.percent >= 99, "99 % or more", "touches of %d random sessions, as many as if each were touched once a minute (%.0f a second): %s", n, rate, at)
		fast, err := t.hotShare(ctx, n*4, touch)
		t.detailf("the same as fast as it goes, %.0f times as fast as the manager would: %s", float64(n*4)/fast.took.Seconds()/rate, fast)
		return err
	})
}

// A share is how many of some updates were HOT on PostgreSQL.
type share struct {
	all, hot int64
	percent  float64
	took     time.Duration
}

func (s share) String() string {
	took := s.took.Round(time.Second / 10).String()
	if s.all == 0 { // not PostgreSQL
		return took
	}
	return fmt.Sprintf("%s, %.2f %% of %d updates HOT", took, s.percent, s.all)
}

func (t *table) updates(ctx context.Context) (all, hot int64, err error) {
	if t.Postgres() {
		err = t.DB.QueryRowContext(ctx, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'sessions'::regclass").Scan(&all, &hot)
	}
	return all, hot, err
}

// hotShare makes n updates in parallel.
func (t *table) hotShare(ctx context.Context, n int, do func(caller, i int) error) (s share, err error) {
	t.progressf("%d updates", n)
	before, hotBefore, err := t.updates(ctx)
	if err != nil {
		return s, err
	}
	begin := time.Now()
	if err := bench.Parallel(ctx, n, do); err != nil {
		return s, err
	}
	s.took = time.Since(begin)
	// Connections report their updates up to a second later, and idle ones up to a minute.
	for deadline := time.Now().Add(2 * time.Minute); t.Postgres(); time.Sleep(100 * time.Millisecond) {
		all, hot, err := t.updates(ctx)
		if err != nil {
			return s, err
		}
		s.all, s.hot = all-before, hot-hotBefore
		if s.percent = 100 * float64(s.hot) / float64(max(s.all, 1)); s.all >= int64(n) {
			break
		}
		if time.Now().After(deadline) {
			return s, fmt.Errorf("the statistics show %d updates of %d", s.all, n)
		}
		if _, err := t.store.Load(ctx, liveRef(1<<30)); !errors.Is(err, driver.ErrNotFound) {
			return s, err
		}
	}
	return s, nil
}
