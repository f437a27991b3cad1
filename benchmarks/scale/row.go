package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
)

// row asks what a session costs: its bytes on the disk, and those of the server's log for a new
// token and for a login. Sessions are created at a fixed rate. Faster than real traffic, many would
// have the same millisecond in their IDs, and InnoDB would split pages in the middle.
func row(ctx context.Context, s *scale) error {
	return s.with(ctx, true, func(t *table) error {
		n := s.size(200_000, 10_000)
		visitors, err := newSite(t.store, sessions.Options{}, n)
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := bench.Parallel(ctx, n, func(_, i int) error {
			bench.Await(begin, i, s.rate)
			user := ""
			if i%2 == 0 {
				user = someUser()
			}
			return visitors.click(ctx, i, "/begin", user)
		}); err != nil {
			return err
		}
		rate := float64(n) / time.Since(begin).Seconds()
		if err := t.settle(ctx); err != nil {
			return err
		}
		size, err := t.file(ctx)
		if err != nil {
			return err
		}
		most, each := int64(480), size/int64(n)
		if t.Postgres() {
			most = 500
		}
		t.resultf(each <= most, fmt.Sprintf("%d or less", most),
			"%d sessions with a value of 180 bytes, created at %.0f a second: %d bytes a row with all indexes", n, rate, each)
		return t.renewals(ctx, visitors)
	})
}

// someUser is a random one, since users do not come in the order of their names.
func someUser() string { return fmt.Sprintf("user%06d", rand.IntN(1_000_000)) }

// file is how many bytes the table takes on the disk with its indexes.
func (t *table) file(ctx context.Context) (int64, error) {
	spaces := "innodb_tablespaces"
	switch t.Product() {
	case "PostgreSQL":
		return t.Size(ctx, "sessions")
	case "MariaDB":
		spaces = "innodb_sys_tablespaces"
	}
	return t.int(ctx, "SELECT file_size FROM information_schema."+spaces+" WHERE name = CONCAT(DATABASE(), '/sessions')")
}

// renewals measures new tokens and logins of random sessions. PostgreSQL logs a whole page when the
// page changes for the first time after a checkpoint, so one step comes just after a checkpoint, and
// the others after steps that changed all pages.
func (t *table) renewals(ctx context.Context, visitors *site) error {
	everybody := rand.Perm(len(visitors.cookies))
	anonymous := slices.DeleteFunc(slices.Clone(everybody), func(i int) bool { return i%2 == 0 })
	tenth := len(everybody) / 10
	for _, step := range []struct {
		what, path string
		who        []int
	}{
		{"new tokens, one for everybody", "/regenerate", everybody},
		{"new tokens", "/regenerate", everybody[:tenth]},
		{"logins, to warm up", "/login", anonymous[:3*tenth]},
		{"logins", "/login", anonymous[3*tenth : 4*tenth]},
		{"new tokens just after a checkpoint", "/regenerate", everybody[:tenth]},
	} {
		if strings.HasSuffix(step.what, "checkpoint") {
			if !t.Postgres() {
				continue
			}
			if err := t.settle(ctx); err != nil {
				return err
			}
		}
		before, err := t.Journal(ctx)
		if err != nil {
			return err
		}
		share, err := t.hotShare(ctx, len(step.who), func(_, i int) error {
			return visitors.click(ctx, step.who[i], step.path, someUser())
		})
		if err != nil {
			return err
		}
		after, err := t.Journal(ctx)
		if err != nil {
			return err
		}
		t.detailf("%d %s: %d bytes of the server's log each; %s", len(step.who), step.what, (after-before)/int64(len(step.who)), share)
	}
	return nil
}

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
