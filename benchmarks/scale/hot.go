package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// loose lets commits not wait for the disk, where only what they leave in the table counts.
func (b *bench) loose() string { return b.pick("synchronous_commit=off", "") }

func joinClose(err error, t *table) error { return errors.Join(err, t.close()) }

// parallel runs do for each number below n, in so many goroutines, until one of them fails.
func parallel(ctx context.Context, n int, do func(caller, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := int(next.Add(1) - 1); i < n && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				if err := do(caller, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// await sleeps until the i-th of rate a second is due, and returns when that was: now, unless it is
// late. That a timer is late is not the database's fault; that a caller is still busy is.
func await(begin time.Time, i int, rate float64) time.Time {
	due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
	if wait := time.Until(due); wait > 0 {
		time.Sleep(wait)
		return time.Now()
	}
	return due
}

// updates are PostgreSQL's counts for the table.
type updates struct{ all, hot, dead, vacuums, analyzes int64 }

func (t *table) updates(ctx context.Context) (u updates, err error) {
	err = t.db.QueryRowContext(ctx, `SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count, autoanalyze_count
		FROM pg_stat_user_tables WHERE relid = 'sessions'::regclass`).Scan(&u.all, &u.hot, &u.dead, &u.vacuums, &u.analyzes)
	return u, err
}

// counted waits until the statistics have all updates. Other sessions report theirs with up to a
// second's delay, and an idle one with up to a minute's.
func (t *table) counted(ctx context.Context, want int64) (updates, error) {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		u, err := t.updates(ctx)
		if err != nil || u.all >= want {
			return u, err
		}
		if time.Now().After(deadline) {
			return u, fmt.Errorf("the statistics show %d updates of %d", u.all, want)
		}
		if _, err := t.store.Load(ctx, ref("none", 0)); !errors.Is(err, driver.ErrNotFound) {
			return u, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// hot asks how many updates leave the indexes alone.
func hot(ctx context.Context, b *bench) (err error) {
	t, err := b.table(ctx, b.loose())
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, t) }()
	n := b.size(100_000, 20_000)
	if err := t.fill(ctx, "live", n, false); err != nil {
		return err
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	var options string
	if err := t.db.QueryRowContext(ctx, "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'sessions'::regclass").Scan(&options); err != nil {
		return err
	}
	b.detailf("%d sessions, %d callers; the table has %s; commits do not wait for the disk here", n, callers, options)

	// What counts is the room on the pages, for the indexed mark is the reaper's to move.
	// A caller has sessions of its own, because of two touches of one at the same time one does nothing.
	touch := func(caller, _ int) error {
		at := ref("live", rand.IntN(n/callers)*callers+caller)
		_, err := t.store.Touch(ctx, driver.TouchRequest{Ref: at, Life: driver.Life{Idle: longer}})
		return err
	}
	// The manager touches a session once a minute at the most.
	rate := float64(n) / 60
	begin := time.Now()
	share, err := t.hotShare(ctx, b.size(n, n/5), func(caller, i int) error {
		await(begin, i, rate)
		return touch(caller, i)
	})
	if err != nil {
		return err
	}
	b.resultf(share.percent >= 99, "99 % or more", "touches of random sessions, as many as if each were touched once a minute (%.0f a second): %s", rate, share)
	if share, err = t.hotShare(ctx, n*4, touch); err != nil {
		return err
	}
	b.detailf("the same as fast as it goes, %.0f times as fast as the manager would: %s", float64(n*4)/share.took.Seconds()/rate, share)

	saves, err := t.hotSaves(ctx, n)
	if err != nil {
		return err
	}
	b.detailf("saves of random sessions, the data's length within 10 %%: %s", saves)
	if share, err = t.hotSweep(ctx, n); err != nil {
		return err
	}
	b.detailf("a sweep that finds all of them alive, as it does once in an idle timeout, or in two hours if that is longer: %s", share)
	return nil
}

// longer is more than the idle time that fill gives a row.
const longer = 25 * time.Hour

// A share is how many of some updates were HOT.
type share struct {
	from, to updates
	percent  float64
	took     time.Duration
}

func (s share) String() string {
	return fmt.Sprintf("%d updates in %s, %d of them HOT: %.2f %%; n_dead_tup %d, autovacuum vacuumed %d times and analyzed %d times",
		s.to.all-s.from.all, s.took.Round(time.Second/10), s.to.hot-s.from.hot, s.percent, s.to.dead, s.to.vacuums-s.from.vacuums, s.to.analyzes-s.from.analyzes)
}

// hotSweep has the reaper meet n rows whose mark has come.
func (t *table) hotSweep(ctx context.Context, n int) (s share, err error) {
	before, err := t.updates(ctx)
	if err != nil {
		return s, err
	}
	if _, err := t.exec(ctx, "UPDATE sessions SET reap_after = now() - interval '2 minutes'"); err != nil {
		return s, err
	}
	if _, err := t.counted(ctx, before.all+int64(n)); err != nil {
		return s, err
	}
	return t.share(ctx, n, func() error {
		_, err := (&sessions.Reaper{Store: t.store}).Sweep(ctx)
		return err
	})
}

func (t *table) hotShare(ctx context.Context, n int, do func(caller, i int) error) (share, error) {
	t.progressf("%d updates", n)
	return t.share(ctx, n, func() error { return parallel(ctx, n, do) })
}

// share counts what run does, which is n updates.
func (t *table) share(ctx context.Context, n int, run func() error) (s share, err error) {
	if s.from, err = t.updates(ctx); err != nil {
		return s, err
	}
	start := time.Now()
	if err = run(); err != nil {
		return s, err
	}
	s.took = time.Since(start)
	if s.to, err = t.counted(ctx, s.from.all+int64(n)); err != nil {
		return s, err
	}
	s.percent = 100 * float64(s.to.hot-s.from.hot) / float64(s.to.all-s.from.all)
	return s, nil
}

// hotSaves gives each caller sessions of its own, whose versions it knows.
func (t *table) hotSaves(ctx context.Context, n int) (share, error) {
	versions := make([]driver.Version, n)
	for i := range versions {
		versions[i] = 1
	}
	return t.hotShare(ctx, n, func(caller, _ int) error {
		i := rand.IntN(n/callers)*callers + caller
		at := ref("live", i)
		saved, err := t.store.Save(ctx, driver.SaveRequest{
			From: at, Version: versions[i], Verifier: at.Verifier, User: userOf(i), Data: data(rand.IntN(60)), Life: driver.Life{Idle: longer},
		})
		versions[i] = saved.Version
		return err
	})
}

// userOf is the user that fill gave the row.
func userOf(i int) string {
	if i%2 == 1 {
		return ""
	}
	return fmt.Sprintf("user%d", i)
}

// data is about as long as a document of fill.
func data(more int) []byte {
	cart := make([]byte, 230+more)
	for i := range cart {
		cart[i] = "0123456789abcdef"[rand.IntN(16)]
	}
	return fmt.Appendf(nil, `{"user_name":"user","count":%d,"cart":"%s"}`, more, cart)
}
