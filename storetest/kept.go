package storetest

import (
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// reapedAfter checks that Reap leaves the rows of this harness's store, which all are dead,
// for about ten hours from now, and then deletes them.
func (s *suite) reapedAfter(rows int, ended bool) {
	s.Helper()
	const keep = 10 * time.Hour
	want := driver.Stats{}
	if ended {
		want.Ended = rows
	}
	for step := range 2 { // nothing that Reap does in between makes it come too early or too late
		if step > 0 {
			s.age(keep - 2*time.Minute)
		}
		s.reaps(0, 10)
		if got := s.stats(); got != want {
			s.Errorf("stats, step %d: %+v, want %+v", step, got, want)
		}
	}
	s.age(3 * time.Hour)
	if got := s.stats(); got != (driver.Stats{Dead: rows}) {
		s.Errorf("stats after %v: %+v, want %d dead", keep, got, rows)
	}
	s.reaps(rows, 1)
	if got := s.stats(); got != (driver.Stats{}) {
		s.Errorf("stats at the end: %+v", got)
	}
}

// keptRowRules are about how long Reap leaves a row that is dead.
var keptRowRules = []rule{
	{"kept rows/an ended row goes at once if it is not kept", func(s *suite) {
		r, other := s.createAs("alice", life), s.createAs("alice", life)
		s.end(r.ID, 0)
		s.endAll(driver.EndAllRequest{User: "alice", Limit: 10})
		s.age(3 * time.Hour)
		s.reaps(2, 10)
		s.ended(r.Ref, driver.Ending{Gone: true}, 0)
		s.ended(other.Ref, driver.Ending{Gone: true}, 0)
	}},
	{"kept rows/an ended row is kept as long as its end says", func(s *suite) {
		s.end(s.createAs("alice", life).ID, 10*time.Hour)
		s.createAs("bob", driver.Life{Idle: 100 * time.Hour, Absolute: 1000 * time.Hour})
		s.endAll(driver.EndAllRequest{User: "bob", Limit: 10, Keep: 10 * time.Hour})
		s.reapedAfter(2, true)
	}},
	{"kept rows/an ended row is kept as long as its creation says if that is longer", func(s *suite) {
		r := s.createKept(10*time.Hour, life)
		r = s.renew(s.save(r, life), saving) // which leave it
		s.touch(r.Ref, saving)
		s.end(r.ID, time.Hour)
		s.createKept(10*time.Hour, life)
		s.endAll(driver.EndAllRequest{All: true, Limit: 10, Keep: time.Hour})
		s.reapedAfter(2, true)
	}},
	{"kept rows/an ended row is kept as long as its end says if that is longer", func(s *suite) {
		s.end(s.createKept(time.Hour, life).ID, 10*time.Hour)
		s.createKept(time.Hour, life)
		s.endAll(driver.EndAllRequest{All: true, Limit: 10, Keep: 10 * time.Hour})
		s.reapedAfter(2, true)
	}},
	{"kept rows/an expired row is kept as long as its creation says", func(s *suite) {
		r := s.createKept(20*time.Hour, life)
		r = s.renew(s.save(r, life), saving)
		s.touch(r.Ref, saving)
		s.age(10 * time.Hour)
		s.ended(r.Ref, driver.Ending{Idle: true}, 8*time.Hour)
		s.reapedAfter(1, false)
	}},
	{"kept rows/what a row is kept for does not make it live longer or die earlier", func(s *suite) {
		short, long := s.createKept(time.Minute, life), s.createKept(100*time.Hour, life)
		for _, r := range []driver.Row{short, long} { // when the reaper looks at them, they live
			s.touch(r.Ref, driver.Life{Idle: 10 * time.Hour})
		}
		s.age(5 * time.Hour)
		s.reaps(0, 10)
		s.expires(short.Ref, 5*time.Hour)
		s.expires(long.Ref, 5*time.Hour)
		s.age(5*time.Hour + time.Second)
		s.gone(short.Ref, long.Ref)
		s.count(0)
	}},
	{"kept rows/the reaper finds ended rows among kept ones", func(s *suite) {
		for i := range 6 {
			s.end(s.createKept([]time.Duration{0, 50 * time.Hour}[i%2], life).ID, 0)
		}
		live := s.createAs("", driver.Life{Idle: 100 * time.Hour, Absolute: 100 * time.Hour})
		s.age(3 * time.Hour)
		s.reaps(3, 2)
		s.unchanged(live)
		s.age(50 * time.Hour)
		s.reaps(3, 2)
		s.unchanged(live)
	}},
}

// createKept returns a row that is kept for a time, however it ends.
func (s *suite) createKept(keep time.Duration, life driver.Life) driver.Row {
	s.Helper()
	r := s.row()
	result, err := s.store.Create(s.Context(), driver.CreateRequest{Ref: r.Ref, Data: r.Data, Life: life, Keep: keep})
	s.must(err)
	r.Version = result.Version
	return r
}

// orderRules are about the order in which a store finds many rows.
var orderRules = []rule{
	{"order/end all ends rows in the order of their IDs", func(s *suite) {
		for _, req := range []driver.EndAllRequest{{All: true, Limit: 3}, {User: "alice", Limit: 3}, {Label: "tenant", Limit: 3}} {
			want := ids(s.createLabels(8))
			for req.Except = want[:1]; len(want) > 1; {
				n := s.endAll(req).Ended
				want = append(want[:1:1], want[min(1+n, len(want)):]...)
				if got := s.pages(driver.ListRequest{All: true, Limit: 100}); n == 0 || !slices.Equal(got, want) {
					s.Fatalf("%d ended; %v are left, want %v", n, got, want)
				}
			}
			req.Except = nil
			s.endAll(req)
		}
	}},
	{"order/end all goes on after the last row", func(s *suite) {
		for _, req := range []driver.EndAllRequest{{All: true}, {User: "alice"}, {Label: "tenant"}} {
			rows := ids(s.createLabels(10))
			req.Limit, req.Except = 4, []driver.ID{rows[1], rows[7], rows[9]}
			for _, want := range []driver.EndAllResult{{Ended: 4, More: true, Last: rows[4]}, {Ended: 3, Last: rows[8]}} {
				if got := s.endAll(req); got != want {
					s.Fatalf("%+v, want %+v: %+v", got, want, req)
				}
				req.After = want.Last
			}
			if got := s.endAll(req); got.Ended != 0 || got.More {
				s.Errorf("%+v after the last one", got)
			}
			if got := s.pages(driver.ListRequest{All: true, Limit: 100}); !slices.Equal(got, []driver.ID{rows[1], rows[7], rows[9]}) {
				s.Errorf("%v are left of %v", got, rows)
			}
			req.Except, req.After = nil, rows[7]
			s.ends(1, req) // the rows before it stay
			req.After = ""
			s.ends(2, req)
			s.count(0)
		}
	}},
	{"order/list can begin with the newest", func(s *suite) {
		var rows []driver.Row
		for range 5 {
			rows = append(rows, s.createAs("alice", life))
			s.createAs("bob", life)
			s.age(time.Minute)
		}
		for i, want := range [][]int{{4, 3, 2, 1, 0}, {1, 4, 3, 2, 0}, {3, 1, 4, 2, 0}} {
			if i > 0 {
				r := &rows[want[0]]
				*r = s.authenticate(*r, r.Ref, saving)
				s.age(time.Minute)
			}
			for limit := range 6 {
				var got, wanted []driver.ID
				for _, r := range s.list(driver.ListRequest{User: "alice", Newest: true, Limit: limit + 1}) {
					got = append(got, r.ID)
				}
				for _, j := range want[:min(limit+1, len(want))] {
					wanted = append(wanted, rows[j].ID)
				}
				if !slices.Equal(got, wanted) {
					s.Errorf("listed %v, want %v", got, wanted)
				}
			}
		}
		pending := s.createPending("alice") // made last, and not in use yet
		if got := s.list(driver.ListRequest{User: "alice", Newest: true, Limit: 6}); len(got) != 6 || got[5].ID != pending.ID {
			s.Errorf("a pending row is not the last of %d", len(got))
		}
	}},
}

func (s *suite) createLabels(n int) (rows []driver.Row) {
	s.Helper()
	for range n {
		rows = append(rows, s.createLabelled("alice", "tenant"))
	}
	return rows
}
