package storetest

import (
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// many is so large that what goes wrong with one row in 200 shows.
const many = 250

// createParallel creates rows of alice, several at once.
func (s *suite) createParallel(n int) []driver.Row {
	s.Helper()
	rows := make([]driver.Row, n)
	for i := range rows {
		rows[i] = s.row()
		rows[i].User = "alice"
	}
	s.each(n, func(i int) {
		var err error
		rows[i], err = s.tryCreate(rows[i], life)
		s.noError("create", err)
	})
	if s.Failed() {
		s.FailNow()
	}
	return rows
}

// each runs f for each number below n, eight at once.
func (s *suite) each(n int, f func(i int)) {
	var next atomic.Int64
	parallel(8, func(int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	})
}

// manyRules are about what must not go wrong once in a few hundred times.
var manyRules = []rule{
	{"many/end ends every one", func(s *suite) {
		rows := s.createParallel(many)
		s.count(many)
		s.each(many, func(i int) { s.noError("end", s.tryEndOf("alice", rows[i].ID)) })
		s.listsNone(driver.ListRequest{User: "alice", Limit: many})
		s.count(0)
	}},
	{"many/end all ends every one", func(s *suite) {
		s.createParallel(many)
		bob := s.createAs("bob", life)
		req, ended := driver.EndAllRequest{User: "alice", Limit: 60}, 0
		for pages := 0; ; pages++ {
			result := s.endAll(req)
			ended += result.Ended
			if !result.More {
				break
			}
			if req.After = result.Last; pages > many {
				s.Fatal("there is no end of pages")
			}
		}
		if ended != many {
			s.Errorf("ended %d rows, want %d", ended, many)
		}
		s.listsNone(driver.ListRequest{User: "alice", Limit: many})
		s.count(1)
		s.unchanged(bob)
	}},
	{"many/list has every one, and the reaper deletes it", func(s *suite) {
		rows := s.createParallel(many)
		if got := s.pages(driver.ListRequest{User: "alice", Limit: 60}); len(got) != len(rows) {
			s.Errorf("listed %d rows, want %d", len(got), len(rows))
		}
		s.age(idle + 3*time.Hour)
		live := s.create()
		for deleted := 0; deleted < many; {
			n := s.reap(60)
			if deleted += n; n == 0 {
				s.Fatalf("deleted %d rows, want %d", deleted, many)
			}
		}
		s.unchanged(live)
		if got := s.stats(); got != (driver.Stats{Live: 1}) {
			s.Errorf("stats: %+v, want 1 live", got)
		}
	}},
	{"many/endings are found at once", func(s *suite) {
		live, refs := s.createMany(3, "alice", life), []driver.Ref(nil)
		for i := range 6000 {
			if i%2000 == 1000 {
				refs = append(refs, live[i/2000].Ref)
			}
			refs = append(refs, s.ref())
		}
		found := s.endings(refs...)
		for _, r := range live {
			if e, there := found[r.ID]; there {
				s.Errorf("a live row has the ending %+v", e)
			}
		}
		if len(found) != 6000 {
			s.Errorf("%d endings, want 6000", len(found))
		}
	}},
}
