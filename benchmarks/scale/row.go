package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
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
		t.resultf(each <= most, fmt.Sprintf("%d or less", most), "%d sessions with a value of 180 bytes, created at %.0f a second: %d bytes a row with all indexes", n, rate, each)
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
