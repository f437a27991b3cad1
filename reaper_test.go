package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// sweeper is a store whose Reap does as it is told, and keeps the
// times at which it was asked.
type sweeper struct {
	sessions.Store
	answer func(call, limit int) (deleted int, more bool, err error)
	took   time.Duration
	times  []time.Time
	limits []int
}

func (s *sweeper) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	s.times = append(s.times, time.Now())
	s.limits = append(s.limits, req.Limit)
	timer := time.NewTimer(s.took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return driver.ReapResult{}, ctx.Err()
	}
	if s.answer == nil {
		return driver.ReapResult{}, nil
	}
	deleted, more, err := s.answer(len(s.times)-1, req.Limit)
	return driver.ReapResult{Deleted: deleted, More: more}, err
}

func (s *sweeper) gaps() (all []time.Duration) {
	for i := range len(s.times) - 1 {
		all = append(all, s.times[i+1].Sub(s.times[i]))
	}
	return all
}

// runFor runs r for d. That it returns lets synctest check that it leaves no
// goroutine.
func runFor(t *testing.T, r *sessions.Reaper, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returns %v", err)
	}
}

func TestRunSweepsAtTheIntervalWithJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &sweeper{}
		log := new(logBook)
		start := time.Now()
		runFor(t, &sessions.Reaper{Store: store, Interval: time.Minute, Logger: log.logger()}, 3*time.Hour)
		if first := store.times[0].Sub(start); first > 10*time.Second {
			t.Errorf("the first sweep came after %v", first)
		}
		gaps := store.gaps()
		if len(gaps) < 150 {
			t.Errorf("%d sweeps in 3 hours", len(gaps))
		}
		low, high := slices.Min(gaps), slices.Max(gaps)
		if low < 54*time.Second || high > 66*time.Second {
			t.Errorf("pauses of %v to %v, want a minute give or take a tenth", low, high)
		}
		if low > 58*time.Second || high < 62*time.Second {
			t.Errorf("pauses of %v to %v: no jitter", low, high)
		}
		if log.text() != "" {
			t.Errorf("a sweep that found nothing is logged: %s", log.text())
		}
	})
}

func TestRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, when := range []time.Duration{0, 15 * time.Second, time.Minute + 5*time.Second} {
			store := &sweeper{took: time.Hour} // hangs, unless its context ends
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			log := new(logBook)
			go func() { done <- (&sessions.Reaper{Store: store, Interval: time.Minute, Logger: log.logger()}).Run(ctx) }()
			time.Sleep(when)
			before := time.Now()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) || !time.Now().Equal(before) {
				t.Errorf("cancelled after %v: Run returns %v, %v later", when, err, time.Since(before))
			}
			if n := len(log.lines(t, "ERROR")); when < 30*time.Second && n != 0 {
				t.Errorf("the end of the context is logged as an error: %s", log.text())
			}
		}
	})
}

func TestRunBacksOffOnErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const failures = 15
		log := new(logBook)
		store := &sweeper{answer: func(call, _ int) (int, bool, error) {
			if call < failures || call == failures+20 {
				return 0, false, errDown
			}
			return 0, false, nil
		}}
		r := &sessions.Reaper{Store: store, Interval: time.Minute, Logger: log.logger()}
		runFor(t, r, 12*time.Hour)
		want := time.Second
		for i, gap := range store.gaps()[:failures] {
			if gap != want {
				t.Errorf("pause %d after an error is %v, want %v", i, gap, want)
			}
			want = min(2*want, 10*time.Minute)
		}
		if gap := store.gaps()[failures+20]; gap != time.Second {
			t.Errorf("the pause after a later error is %v, want a second again", gap)
		}
		for i, gap := range store.gaps()[failures:] {
			if gap > 66*time.Second {
				t.Errorf("pause %d after the errors is %v", i, gap)
			}
		}
		if n := len(log.lines(t, "ERROR")); n != failures+1 {
			t.Errorf("%d errors logged, want %d", n, failures+1)
		}
		s := r.Stats()
		if s.Failures != failures+1 || s.Sweeps != int64(len(store.times)) || s.Deleted != 0 {
			t.Errorf("stats %+v with %d sweeps", s, len(store.times))
		}
	})
}

func TestSweepGoesInBatchesAndRestsBetween(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		took, rest time.Duration
		noRest     bool
	}{
		{took: 100 * time.Millisecond, rest: 100 * time.Millisecond},
		{},
		{took: 10 * time.Second, rest: time.Second},
		{took: 100 * time.Millisecond, noRest: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			left := 25
			store := &sweeper{took: c.took, answer: func(call, limit int) (int, bool, error) {
				if call == 1 { // all of them are alive
					return 0, true, nil
				}
				n := min(left, limit)
				left -= n
				return n, left > 0, nil
			}}
			var batches []int
			r := &sessions.Reaper{Store: store, BatchSize: 10, NoRest: c.noRest, OnBatch: func(deleted int, took time.Duration) {
				batches = append(batches, deleted)
				if took != c.took {
					t.Errorf("OnBatch says %v, want %v", took, c.took)
				}
			}}
			n, err := r.Sweep(t.Context())
			if n != 25 || err != nil || !slices.Equal(batches, []int{10, 0, 10, 5}) || !slices.Equal(store.limits, []int{10, 10, 10, 10}) {
				t.Errorf("deleted %d, %v, in %v with the limits %v", n, err, batches, store.limits)
			}
			for _, gap := range store.gaps() {
				if gap != c.took+c.rest {
					t.Errorf("a batch of %v was followed by a rest of %v, want %v", c.took, gap-c.took, c.rest)
				}
			}
			if got, want := r.Stats(), (sessions.ReaperStats{Deleted: 25, Sweeps: 1}); got != want {
				t.Errorf("stats %+v, want %+v", got, want)
			}
		})
	}
}

func TestSweepCountsWhatItDeletedBeforeAnError(t *testing.T) {
	t.Parallel()
	store := &sweeper{answer: func(call, limit int) (int, bool, error) {
		if call == 1 {
			return 0, false, errDown
		}
		return limit, true, nil
	}}
	r := &sessions.Reaper{Store: store}
	if n, err := r.Sweep(t.Context()); n != 50 || !errors.Is(err, errDown) {
		t.Errorf("Sweep returns %d, %v", n, err)
	}
	if got, want := r.Stats(), (sessions.ReaperStats{Deleted: 50, Sweeps: 1, Failures: 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if !slices.Equal(store.limits, []int{50, 50}) {
		t.Errorf("limits %v, want the default of 50", store.limits)
	}
}

func TestABatchThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for given, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Second: time.Second} {
			start := time.Now()
			r := &sessions.Reaper{Store: &sweeper{took: time.Hour}, Timeout: given}
			if _, err := r.Sweep(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != want {
				t.Errorf("Timeout %v: ended after %v with %v", given, time.Since(start), err)
			}
		}
	})
}

func TestReaperDeletesTheDeadAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		m := newManager(t, store)
		for range 7 {
			loggedIn(t, m)
		}
		time.Sleep(12 * time.Hour)
		living := loggedIn(t, m)
		log := new(logBook)
		r := &sessions.Reaper{Store: store, BatchSize: 2, Logger: log.logger()}
		if n, err := r.DryRun(t.Context()); n != 0 || err != nil {
			t.Errorf("DryRun says %d, %v before anything expired", n, err)
		}
		time.Sleep(12 * time.Hour)
		for range 2 { // it deletes nothing
			if n, err := r.DryRun(t.Context()); n != 7 || err != nil {
				t.Errorf("DryRun says %d, %v; want 7", n, err)
			}
		}
		runFor(t, r, time.Minute)
		if got := r.Stats(); got.Deleted != 7 {
			t.Errorf("deleted %d, want 7", got.Deleted)
		}
		if n, err := r.DryRun(t.Context()); n != 0 || err != nil || !living.alive() {
			t.Errorf("%d left, %v; the living session is alive: %v", n, err, living.alive())
		}
		if lines := log.lines(t, "INFO"); len(lines) != 1 || fmt.Sprint(lines[0]["deleted"]) != "7" {
			t.Errorf("the log says: %s", log.text())
		}
	})
}

func TestReaperWithoutAStoreSaysSo(t *testing.T) {
	t.Parallel()
	r := &sessions.Reaper{Logger: slog.New(slog.DiscardHandler)}
	_, sweepErr := r.Sweep(t.Context())
	_, dryErr := r.DryRun(t.Context())
	for _, err := range []error{sweepErr, dryErr} {
		if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "Store") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestStatsWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sweeps atomic.Int64
		r := &sessions.Reaper{Interval: time.Second, Store: &sweeper{answer: func(int, int) (int, bool, error) { sweeps.Add(1); return 1, false, nil }}}
		r.Logger = slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = r.Run(ctx) }()
		for range 10 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if s := r.Stats(); s.Deleted != sweeps.Load() || s.Sweeps != sweeps.Load() {
				t.Errorf("stats %+v after %d sweeps", s, sweeps.Load())
			}
		}
	})
}

func TestReaperRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for field, r := range map[string]*sessions.Reaper{
		"BatchSize is -1":       {BatchSize: -1},
		"BatchSize is 10001":    {BatchSize: 10_001},
		"Interval is -1s":       {Interval: -time.Second},
		"Timeout -1s":           {Timeout: -time.Second},
		"Interval is -1ns":      {Interval: -1},
		"BatchSize is -1000000": {BatchSize: -1_000_000, Interval: time.Hour},
	} {
		store := &sweeper{}
		r.Store = store
		_, sweepErr := r.Sweep(t.Context())
		_, dryErr := r.DryRun(t.Context())
		for _, err := range []error{r.Run(t.Context()), sweepErr, dryErr} {
			if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s: the error is %v", field, err)
			}
		}
		if len(store.times) != 0 {
			t.Errorf("%s: %d sweeps", field, len(store.times))
		}
	}
}
