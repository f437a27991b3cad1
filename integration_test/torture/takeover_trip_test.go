package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/takeover"
)

const tabs = 3

// The browsers of a trip. A user of one temper has two, so that one is another device.
var crowd = map[temper]int{stays: 6, signsIn: 4, leaves: 8, hunted: 6}

// A revocation of a user.
type revocation struct {
	user string
	span
}

// A span is when something took effect, if it did. Its end is never if that is not known.
type span struct{ call, ret int64 }

// newTrip fills the table of Express.
func (s *site) newTrip(seed uint64, length time.Duration) *trip {
	s.Helper()
	s.empty()
	s.visits.Clear()
	t := &trip{site: s, seed: seed, lineages: map[string]*lineage{}, began: now()}
	random := rand.New(rand.NewPCG(seed, 1000))
	for kind := stays; kind <= hunted; kind++ {
		for i := range crowd[kind] {
			number := len(t.browsers)
			l := &lineage{name: fmt.Sprintf("b%d-%d", seed, number), user: fmt.Sprintf("u%d-%d-%d", seed, kind, i/2)}
			l.first = tag(requests.Add(1))
			t.lineages[l.name] = l
			b := &browser{
				temper: kind, express: l, sid: fmt.Sprintf("%s-%d-%d-%s", sidPrefix, seed, number, s.admin.Name),
				late: i%4 < 2, absent: i%4 == 3, wakes: time.Duration(random.Int64N(int64(length) / 2)),
			}
			t.browsers = append(t.browsers, b)
			s.surely(func() error {
				_, err := s.asNode("set", text(l, []tag{l.first}, ""), b.sid)
				return err
			})
		}
	}
	return t
}

// play plays a trip: everything at once, then calm, then the last import and only copies,
// then back from that. It returns what was wrong.
func (s *site) play(seed uint64, length time.Duration, total *passage) (problems []string) {
	s.Helper()
	t := s.newTrip(seed, length)
	for _, m := range s.movers {
		m.use(false)
	}
	ctx, cancel := context.WithTimeout(s.Context(), length)
	defer cancel()
	storm := newNemesis(s.world)
	var all sync.WaitGroup
	for i, b := range t.browsers {
		for tab := range tabs {
			if !b.absent {
				all.Go(func() { t.tab(ctx, b, rand.New(rand.NewPCG(seed, uint64(i*tabs+tab)))) })
			}
		}
	}
	background := []func(context.Context, *rand.Rand){storm.run, t.node, t.revoke, t.reap}
	if seed%2 == 0 { // an import ends what a revocation applies to, and hides a take-over that does not
		background = append(background, t.imports)
	}
	for i, f := range background {
		all.Go(func() { f(ctx, rand.New(rand.NewPCG(seed, uint64(2000+i)))) })
	}
	all.Wait()
	s.recover()
	s.idle()
	t.saveLate()
	t.looks(false, false)
	t.saveLate()
	t.importAll()
	for _, m := range s.movers {
		m.use(true)
	}
	t.looks(true, true)
	for _, m := range s.movers {
		m.use(false)
	}
	t.looks(true, false)
	problems = t.check(t.rows())
	total.add(t, storm)
	return problems
}

// node does what Node does while no request of it is slow: what it finds in its table by the
// sid was not taken over. Late are the saves of requests that loaded their session at first.
func (t *trip) node(ctx context.Context, random *rand.Rand) {
	logs, unsure := map[*lineage][]tag{}, map[*browser]bool{}
	for pause(ctx, time.Duration(random.IntN(4))*time.Millisecond) {
		b := t.browsers[random.IntN(len(t.browsers))]
		l := b.express
		if b.late {
			_ = t.saves(b)
			continue
		}
		if unsure[b] {
			continue
		}
		what := []string{"update", "update", "update", "update", "expire", "destroy"}[random.IntN(6)]
		at := span{now(), never}
		if what == "update" {
			if logs[l] == nil {
				logs[l] = []tag{l.first}
			}
			log := append(slices.Clip(logs[l]), tag(requests.Add(1)))
			found, err := t.asNode(what, text(l, log, ""), b.sid)
			if err == nil {
				at.ret = now()
			}
			switch {
			case err != nil: // nothing is known of what the row holds, so Node leaves it alone
				unsure[b] = true
				l.adds = append(l.adds, addition{log[len(log)-1], at})
			case found > 0:
				logs[l] = log
				l.adds = append(l.adds, addition{log[len(log)-1], at})
			}
			continue
		}
		if b.temper != leaves && b.temper != hunted {
			continue
		}
		found, err := t.asNode(what, b.sid)
		if err == nil {
			at.ret = now()
		}
		if found > 0 || err != nil {
			l.endings = append(l.endings, at)
		}
	}
}

// saves writes what the session was at first.
func (t *trip) saves(b *browser) error {
	_, err := t.asNode("set", text(b.express, []tag{b.express.first}, fmt.Sprintf(`,"late":%d`, requests.Add(1))), b.sid)
	return err
}

// saveLate lets the slowest requests of Node end.
func (t *trip) saveLate() {
	t.Helper()
	for _, b := range t.browsers {
		if b.late {
			t.surely(func() error { return t.saves(b) })
		}
	}
}

// revoke revokes users now and then.
func (t *trip) revoke(ctx context.Context, random *rand.Rand) {
	for pause(ctx, time.Duration(50+random.IntN(300))*time.Millisecond) {
		user := t.browsers[len(t.browsers)-1-random.IntN(crowd[hunted])].express.user
		at := span{now(), never}
		if _, err := t.movers[random.IntN(len(t.movers))].managers[false].RevokeUser(t.Context(), user); err == nil {
			at.ret = now()
		}
		t.revocations = append(t.revocations, revocation{user, at})
	}
}

// reap reaps both tables.
func (t *trip) reap(ctx context.Context, random *rand.Rand) {
	reapers := []*sessions.Reaper{{Store: t.admin.Store, NoRest: true, BatchSize: 20}, {Store: t.shared, NoRest: true, BatchSize: 20}}
	for pause(ctx, time.Duration(random.IntN(100))*time.Millisecond) {
		_, _ = reapers[random.IntN(2)].Sweep(ctx)
	}
}

// importAll is the last import, twice: then all is there.
func (t *trip) importAll() {
	t.Helper()
	for range 2 {
		var report takeover.Report
		t.surely(func() (err error) {
			report, err = takeover.Import(t.Context(), t.copier.managers[false], nil)
			return err
		})
		if (!report.Verified() || report.Skipped > 0) && !t.broken {
			t.Errorf("the last import: %+v", report)
		}
	}
}

// A passage is a sum over trips.
type passage struct {
	trips, visits, seen, adds, revocations, ended, lineages int
	statuses                                                map[int]int
	faults                                                  map[string]int
}

func newPassage() *passage { return &passage{statuses: map[int]int{}, faults: map[string]int{}} }

func (p *passage) add(t *trip, storm *nemesis) {
	p.trips++
	p.visits += len(t.visits)
	p.lineages += len(t.lineages)
	p.revocations += len(t.revocations)
	for _, v := range t.visits {
		p.statuses[v.status]++
		if v.seen != nil && v.seen.birth != "" {
			p.seen++
		}
	}
	for _, l := range t.lineages {
		p.adds += len(l.adds)
		if l.ended(never) {
			p.ended++
		}
	}
	for name, n := range storm.count {
		p.faults[name] += n
	}
}

func (p *passage) String() string {
	return fmt.Sprintf("%d trips, %d requests (%d with a session), %d sessions of which %d ended, %d additions, %d revocations; answers %v; faults %v",
		p.trips, p.visits, p.seen, p.lineages, p.ended, p.adds, p.revocations, p.statuses, p.faults)
}

// leaks reports whether the log holds a session ID of Express.
func (s *site) leaks() bool { return strings.Contains(s.log.tail(1<<20), sidPrefix) }
