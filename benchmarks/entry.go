package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

// An entry is a contender that is ready to be measured.
type entry struct {
	contender
	*bench.Database
	wire    *wire
	handler http.Handler
	all     []*browser
}

// open makes all contenders ready. The caller closes what it returns, error or not.
func (p *plan) open(ctx context.Context, server *bench.Server) (entries []*entry, err error) {
	for _, c := range contenders() {
		if c.postgresOnly && !server.Postgres() || len(p.names) > 0 && !slices.Contains(p.names, c.name) {
			continue
		}
		d, err := server.Database(ctx)
		if err != nil {
			return entries, err
		}
		e := &entry{contender: c, Database: d, wire: &wire{postgres: d.Postgres(), other: c.elsewhere}}
		entries = append(entries, e)
		d.Dial = e.wire.dial
		switch err := e.prepare(ctx, p.sessions); {
		case errors.Is(err, errMissing):
			fmt.Fprintf(os.Stderr, "%s is left out: %v\n", c.name, err)
			if entries = entries[:len(entries)-1]; d.Close() != nil {
				return entries, err
			}
		case err != nil:
			return entries, fmt.Errorf("benchmarks: open %s: %w", c.name, err)
		}
	}
	return entries, nil
}

func (e *entry) prepare(ctx context.Context, sessions int) (err error) {
	if e.migrate {
		if err := e.Migrate(ctx); err != nil {
			return err
		}
	}
	if e.handler, err = e.open(ctx, e.Database); err != nil {
		return err
	}
	if err := e.check(ctx); err != nil {
		return err
	}
	e.all = make([]*browser, sessions)
	return bench.Parallel(ctx, sessions, func(_, i int) error {
		e.all[i] = newBrowser()
		_, _, err := e.all[i].ask(ctx, e.handler, "/begin")
		return err
	})
}

// check makes sure that the contender does what is measured.
func (e *entry) check(ctx context.Context) error {
	b, old := newBrowser(), newBrowser()
	if _, _, err := b.ask(ctx, e.handler, "/read"); err == nil {
		return fmt.Errorf("a visitor without a session is somebody")
	}
	user, _, err := b.ask(ctx, e.handler, "/begin")
	if err != nil {
		return err
	}
	const n = 20
	for range n {
		if _, _, err := b.ask(ctx, e.handler, "/counter"); err != nil {
			return err
		}
	}
	for _, path := range []string{"/read", "/rolling", "/login", "/read"} {
		if path == "/login" {
			old.header = b.header
		}
		again, count, err := b.ask(ctx, e.handler, path)
		if err != nil || count != n || path == "/rolling" && again != user {
			return fmt.Errorf("after %d requests that count, %s answers %q, %d, %w", n, path, again, count, err)
		}
	}
	if _, _, err := old.ask(ctx, e.handler, "/read"); err == nil || b.header.Get("Cookie") == old.header.Get("Cookie") {
		return fmt.Errorf("the cookie from before the login still works")
	}
	return nil
}

// refresh makes what is measured next independent of what came before: the table has no free room,
// and no session is due for a touch, which the first read would make otherwise.
func (e *entry) refresh(ctx context.Context) error {
	if !e.elsewhere {
		if err := e.rewrite(ctx); err != nil {
			return fmt.Errorf("benchmarks: %s: rewrite the table: %w", e.name, err)
		}
	}
	return bench.Parallel(ctx, len(e.all), func(_, i int) error {
		_, _, err := e.all[i].ask(ctx, e.handler, "/read")
		return err
	})
}

func (e *entry) rewrite(ctx context.Context) error {
	rewrite := "ALTER TABLE sessions ENGINE=InnoDB"
	if e.Postgres() {
		const tables = "SELECT 'VACUUM (FULL, ANALYZE) ' || string_agg(quote_ident(relname), ', ') FROM pg_stat_user_tables"
		if err := e.DB.QueryRowContext(ctx, tables).Scan(&rewrite); err != nil {
			return err
		}
	}
	_, err := e.DB.ExecContext(ctx, rewrite)
	return err
}

// rounds measures all contenders in turn, again and again, so that what happens to the machine in
// a minute happens to all of them. Each round begins with another contender.
func (s *section) rounds(ctx context.Context, work workload, callers int) error {
	doing := slices.DeleteFunc(slices.Clone(s.entries), func(e *entry) bool { return !work.measures(e) })
	warm := s.plan.span / 4
	if work.away != s.away { // the database did not move away from under a program just now
		s.away, warm = work.away, 5*time.Second
	}
	for _, e := range doing {
		e.wire.away.Store(int64(work.away))
		if err := e.refresh(ctx); err != nil {
			return err
		}
	}
	for round := -1; round < s.plan.rounds; round++ {
		for i := range doing {
			e := doing[(i+max(round, 0))%len(doing)]
			span := s.plan.span
			if round < 0 {
				span = warm
			}
			result, err := e.turn(ctx, work, callers, span)
			if err != nil {
				return fmt.Errorf("benchmarks: %s: %w", e.name, err)
			}
			if round < 0 {
				continue
			}
			at := cell{e.name, work.name, callers}
			s.turns[at] = append(s.turns[at], result)
			fmt.Fprintf(os.Stderr, "%s %s, %d callers, round %d, %s: %.0f requests/s\n", s.server, work.name, callers, round+1, e.name, result.perSecond())
		}
	}
	return nil
}
