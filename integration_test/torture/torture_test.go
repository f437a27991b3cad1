package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

const (
	clients   = 20
	users     = 3
	jars      = 8
	roundTime = 4 * time.Second
)

// A sum is over all rounds.
type sum struct {
	rounds, requests, operations, sessions, events, undecided, revoked, stalled, unended, moved, rotations, replays int
	statuses                                                                                                        map[int]int
	faults                                                                                                          map[string]int
}

func (s *sum) String() string {
	return fmt.Sprintf("%d rounds, %d requests, %d operations, %d sessions, %d events (%d sessions undecided); answers %v (0: none); "+
		"sign-ins refused by revocations %d, stalled %d, not ended %d; sessions named again %d; tokens replaced by age %d, replays %d; faults %v",
		s.rounds, s.requests, s.operations, s.sessions, s.events, s.undecided, s.statuses,
		s.revoked, s.stalled, s.unended, s.moved, s.rotations, s.replays, s.faults)
}

// play plays a round and checks it.
func (w *world) play(seed uint64, length time.Duration, total *sum) *verdict {
	w.Helper()
	r := &round{world: w, seed: seed, history: newHistory()}
	w.now.Store(r.history)
	for i := range users {
		r.users = append(r.users, fmt.Sprintf("u%d-%d", seed, i))
	}
	for range jars {
		r.jars = append(r.jars, &jar{})
	}
	ctx, cancel := context.WithTimeout(w.Context(), length)
	defer cancel()
	storm := newNemesis(w)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { r.client(ctx, uint64(i)) })
	}
	all.Go(func() { storm.run(ctx, rand.New(rand.NewPCG(seed, 100))) })
	all.Go(func() { r.operate(ctx, rand.New(rand.NewPCG(seed, 101))) })
	all.Wait()
	w.quiet()
	w.recover()
	w.idle()
	r.finish()
	w.quiet()
	v := r.check()
	total.add(r, v, storm)
	return v
}

// finish looks at all that is left through every node, and signs each user in once more.
func (r *round) finish() {
	r.Helper()
	for _, n := range r.nodes {
		for _, j := range r.jars {
			if rec := r.send(n, j, "", time.Minute, j.now); rec.status != http.StatusOK && !r.broken {
				r.Errorf("when all faults are over, node %d answers %d: %v", n.number, rec.status, rec.loadErr)
			}
		}
	}
	for _, user := range r.users {
		var last []*jar
		for i := range len(r.nodes) + 1 {
			n := r.nodes[i%len(r.nodes)]
			last = append(last, r.signIn(n, user))
			r.withinLimit(user)
		}
		if r.limit > 0 {
			last = last[max(0, len(last)-r.limit):]
		}
		for _, j := range last {
			if rec := r.send(r.nodes[0], j, "list", time.Minute, j.now); !r.refuse && !r.short && (rec.seen == nil || rec.seen.User != user) {
				r.history.violationf("one of the last %d sessions of %s, of which none was ended, is seen as %+v", len(last), user, rec.seen)
			}
		}
	}
}

// signIn signs a user in with a new browser.
func (r *round) signIn(n *node, user string) *jar {
	r.Helper()
	s, j := script("login:"+user), &jar{}
	rec := r.send(n, j, s, time.Minute)
	for try := 0; rec.status == http.StatusConflict && try < 20; try++ { // a pause may refuse a sign-in right after a revocation
		rec = r.send(n, j, s, time.Minute)
	}
	if full := r.refuse && rec.status == http.StatusTooManyRequests; rec.status != http.StatusOK && !full && !r.broken {
		r.Errorf("when all faults are over, node %d answers a sign-in with %d: %v", n.number, rec.status, rec.finalErr)
	}
	return j
}

// withinLimit checks that a user has no more sessions than may be. Nothing else is under way.
// One of which a fault kept the ending away stays, until a sign-in ends the oldest.
func (r *round) withinLimit(user string) {
	r.Helper()
	var rows []driver.Row
	r.surely(func() (err error) {
		rows, err = r.admin.Store.List(r.Context(), driver.ListRequest{User: user, Limit: 1000})
		return err
	})
	rows = slices.DeleteFunc(rows, func(row driver.Row) bool { return row.Pending })
	if r.limit > 0 && len(rows) > r.limit && (!r.refuse || !r.faults) {
		r.history.violationf("%s has %d sessions, and MaxPerUser is %d", user, len(rows), r.limit)
	}
}

func (s *sum) add(r *round, v *verdict, storm *nemesis) {
	s.rounds++
	s.requests += len(r.history.records)
	for _, rec := range r.history.records {
		s.operations += script(rec.script).operations()
		s.statuses[rec.status]++
		if rec.unended {
			s.unended++
		}
		if rec.moved {
			s.moved++
		}
	}
	for _, e := range r.history.events {
		switch {
		case e.kind == evRotate && e.result == done:
			s.rotations++
		case e.kind == evReason && e.reason == string(sessions.ReasonReplay):
			s.replays++
		}
	}
	s.sessions += v.sessions
	s.events += v.events
	s.undecided += v.undecided
	s.revoked += v.revoked
	s.stalled += v.stalled
	for name, n := range storm.count {
		s.faults[name] += n
	}
}

func newSum() *sum { return &sum{statuses: map[int]int{}, faults: map[string]int{}} }

// The worlds that are tortured in turns.
var worlds = []struct {
	name  string
	setup setup
}{
	{"plain", setup{faults: true, timeout: time.Second}},
	{"limit", setup{faults: true, timeout: time.Second, limit: 3}},
	{"refusal", setup{faults: true, timeout: time.Second, limit: 2, refuse: true}},
	{"rotation", setup{faults: true, timeout: time.Second, rotate: true, replay: true}},
	{"crash", setup{faults: true, timeout: time.Second, limit: 3, crashes: true}}, // SQLite is the process itself
	{"idle", setup{faults: true, timeout: time.Second, short: true}},
	{"calm", setup{limit: 2, rotate: true}},
	{"full", setup{limit: 2, refuse: true}},
}

var engines = []struct {
	name     string
	backends []int
}{
	{"postgres", []int{testbed.PGXPool, testbed.Postgres, testbed.PGXPool}},
	{"mysql", []int{testbed.MySQL, testbed.MySQL}},
	{"sqlite", []int{testbed.SQLite, testbed.SQLite}},
}

// Whatever random clients do through several nodes, and whatever happens to the connections
// at the same time: what they see could have happened if every promise was kept.
func TestTorture(t *testing.T) {
	seed := *startSeed
	if seed == 0 {
		seed = uint64(rand.IntN(1_000_000))
	}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			for _, w := range worlds {
				if w.setup.crashes && e.name == "sqlite" {
					continue
				}
				t.Run(w.name, func(t *testing.T) {
					s := w.setup
					s.backends = e.backends
					torture(t, s, seed, *duration/time.Duration(len(worlds)))
				})
			}
		})
	}
}

func torture(t *testing.T, s setup, seed uint64, length time.Duration) {
	t.Helper()
	w, total, began := newWorld(t, s), newSum(), time.Now()
	for ; time.Since(began) < length && !t.Failed(); seed++ {
		v := w.play(seed, min(roundTime, length), total)
		for i, p := range v.problems {
			if i == 5 {
				t.Errorf("and %d more", len(v.problems)-i)
				break
			}
			t.Errorf("seed %d: %s", seed, p)
		}
	}
	t.Logf("%s: %v", time.Since(began).Round(time.Second), total)
	if total.undecided > total.sessions/100 {
		t.Errorf("%d of %d sessions are undecided", total.undecided, total.sessions)
	}
	if t.Failed() {
		t.Logf("to try again: make torture SEED=%d D=%s DB=%s",
			seed-1, time.Duration(len(worlds))*max(length, time.Minute), strings.TrimPrefix(t.Name(), "TestTorture/"))
		t.Logf("the end of the nodes' log:\n%s", w.log.tail(3000))
	}
}
