package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// A section is what was measured on one server.
type section struct {
	title    string
	product  string
	settings string
	machine  string
	plan     *plan
	entries  []contender
	missing  []string
	work     []workload
	turns    map[cell][]*turn // one a round
}

// A cell is what a number is about.
type cell struct {
	contender, workload string
	callers             int
}

func (p *plan) measure(ctx context.Context, engine servers.Engine, address string, out, log io.Writer) (s *section, err error) {
	server, err := openServer(ctx, engine, address, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	s = &section{title: server.title(), product: server.product, plan: p, machine: machine(), turns: map[cell][]*turn{}}
	if s.settings, err = server.settings(ctx); err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(out, "# %s: %s\n", s.title, s.settings)
	entries, missing, err := p.open(ctx, server, log)
	defer func() {
		for _, t := range entries {
			err = errors.Join(err, t.close())
		}
	}()
	if err != nil {
		return nil, err
	}
	s.missing = missing
	for _, t := range entries {
		s.entries = append(s.entries, t.contender)
	}
	for _, work := range workloads() {
		if len(p.work) > 0 && !slices.Contains(p.work, work.name) {
			continue
		}
		s.work = append(s.work, work)
		for _, callers := range p.callersOf(work) {
			if err := s.rounds(ctx, entries, work, callers, out); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// callersOf leaves out of a short run what only details ask for.
func (p *plan) callersOf(w workload) []int {
	var some []int
	for _, n := range p.callers {
		detail := w.name != "read" && w.name != "counter" && n != 8 && len(p.callers) > 1
		if w.most > 0 && n > w.most || p.short && detail {
			continue
		}
		some = append(some, n)
	}
	return some
}

// open makes all contenders ready. What it returns has to be closed, error or not.
func (p *plan) open(ctx context.Context, server *server, log io.Writer) (entries []*entry, missing []string, err error) {
	for _, c := range contenders() {
		if !slices.Contains(c.engines, server.engine) || (len(p.names) > 0 && !slices.Contains(p.names, c.name)) {
			continue
		}
		t := &entry{contender: c, database: fmt.Sprintf("bench_%s_%x", strings.ReplaceAll(c.name, "-", "_"), rand.Uint32())}
		t.env = &env{server: server, wire: &wire{engine: server.engine}}
		if t.env.url, err = server.createDatabase(ctx, t.database); err != nil {
			return entries, missing, err
		}
		entries = append(entries, t)
		t.handler, err = c.open(ctx, t.env)
		if errors.Is(err, errMissing) {
			_, _ = fmt.Fprintf(log, "%s is left out: %v\n", c.name, err)
			entries, missing = entries[:len(entries)-1], append(missing, c.name)
			if err := t.close(); err != nil {
				return entries, missing, err
			}
			continue
		}
		if err != nil {
			return entries, missing, fmt.Errorf("benchmarks: open %s: %w", c.name, err)
		}
		if err := t.check(ctx); err != nil {
			return entries, missing, err
		}
		if t.small, err = seed(ctx, t.handler, p.sessions, pathBegin); err != nil {
			return entries, missing, err
		}
		if t.large, err = seed(ctx, t.handler, p.sessions, pathBeginLarge); err != nil {
			return entries, missing, err
		}
	}
	return entries, missing, nil
}

func (t *entry) close() error {
	return errors.Join(t.env.close(), t.env.server.dropDatabase(t.database))
}

// rounds measures all contenders in turn, again and again: what happens to a machine in a minute
// happens to all of them. Each round begins with another.
func (s *section) rounds(ctx context.Context, entries []*entry, work workload, callers int, out io.Writer) error {
	var doing []*entry
	for _, t := range entries {
		if t.does(work.name) {
			doing = append(doing, t)
		}
	}
	for _, t := range doing {
		if err := t.refresh(ctx, work); err != nil {
			return err
		}
	}
	for round := -1; round < s.plan.rounds; round++ {
		for i := range doing {
			t := doing[(i+max(round, 0))%len(doing)]
			span := s.plan.span
			if round < 0 { // to warm up
				span = min(span/4, 100*time.Millisecond)
			}
			result, err := t.turn(ctx, work, callers, span)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if round < 0 {
				continue
			}
			at := cell{t.name, work.name, callers}
			s.turns[at] = append(s.turns[at], result)
			_, _ = fmt.Fprintln(out, s.line(at, t.contender, result))
		}
	}
	return nil
}
