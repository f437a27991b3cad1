package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/observe"
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
			r := &sessions.Reaper{Store: store, BatchSize: 10, NoRest: c.noRest, Observer: &observe.Observer{
				Sweep: func(_ context.Context, s observe.Sweep) {
					batches = append(batches, s.Deleted)
					if s.Took != c.took || s.Err != nil {
						t.Errorf("the observer hears %+v, want %v", s, c.took)
					}
				},
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
	var heard []observe.Sweep
	r := &sessions.Reaper{Store: store, Observer: &observe.Observer{
		Sweep: func(_ context.Context, s observe.Sweep) { heard = append(heard, s) },
	}}
	if n, err := r.Sweep(t.Context()); n != 50 || !errors.Is(err, errDown) || !errors.Is(err, sessions.ErrUnavailable) {
		t.Errorf("Sweep returns %d, %v", n, err)
	}
	if len(heard) != 2 || heard[0].Deleted != 50 || heard[0].Err != nil || !errors.Is(heard[1].Err, errDown) {
		t.Errorf("the observer heard %+v", heard)
	}
	if !slices.Equal(store.limits, []int{50, 50}) {
		t.Errorf("limits %v, want the default of 50", store.limits)
	}
}

func TestABatchThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := &sessions.Reaper{Store: &sweeper{took: time.Hour}}
		if _, err := r.Sweep(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("ended after %v with %v", time.Since(start), err)
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
		dead := func(want int) {
			t.Helper()
			if stats, err := store.Stats(t.Context()); stats.Dead != want || err != nil {
				t.Errorf("%+v, %v; want %d dead", stats, err, want)
			}
		}
		dead(0)
		time.Sleep(12 * time.Hour)
		dead(7)
		runFor(t, r, time.Minute)
		dead(0)
		if !living.alive() {
			t.Error("the living session was deleted")
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
	for _, err := range []error{sweepErr, r.Run(t.Context())} {
		if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "Store") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestReaperRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for field, r := range map[string]*sessions.Reaper{
		"BatchSize is -1":       {BatchSize: -1},
		"BatchSize is 10001":    {BatchSize: 10_001},
		"Interval is -1s":       {Interval: -time.Second},
		"Interval is -1ns":      {Interval: -1},
		"BatchSize is -1000000": {BatchSize: -1_000_000, Interval: time.Hour},
	} {
		store := &sweeper{}
		r.Store = store
		_, sweepErr := r.Sweep(t.Context())
		for _, err := range []error{r.Run(t.Context()), sweepErr} {
			if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s: the error is %v", field, err)
			}
		}
		if len(store.times) != 0 {
			t.Errorf("%s: %d sweeps", field, len(store.times))
		}
	}
}
