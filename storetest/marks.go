package storetest

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// marked checks the numbers of the marks that a row could be under. One that was set twice
// may be there twice.
func (s *suite) marked(req driver.MarksRequest, want ...int64) {
	s.Helper()
	marks, err := s.store.Marks(s.Context(), req)
	s.must(err)
	got := make([]int64, 0, len(marks))
	for _, m := range marks {
		got = append(got, m.Number)
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		s.Errorf("%+v is under the marks %v, want %v", req, got, want)
	}
}

// markedFor checks that the row is under a mark, and how long ago it was set.
func (s *suite) markedFor(req driver.MarksRequest, number int64, want time.Duration) {
	s.Helper()
	marks, err := s.store.Marks(s.Context(), req)
	s.must(err)
	for _, m := range marks {
		if m.Number == number && !near(m.Age, want) {
			s.Errorf("mark %d was set %v ago, want %v", number, m.Age, want)
		}
	}
	if !slices.ContainsFunc(marks, func(m driver.SetMark) bool { return m.Number == number }) {
		s.Errorf("%+v is under the marks %+v, want number %d", req, marks, number)
	}
}

// mark ends rows with a mark.
func (s *suite) mark(req driver.EndAllRequest, number int64, keep time.Duration) {
	s.Helper()
	req.Limit, req.Mark = 100, driver.Mark{Number: number, Keep: keep}
	s.endAll(req)
}

// markRules are about what EndAll notes, which a table made for something else may have no
// room for.
var markRules = []rule{
	{"marks/each is found by what was revoked", func(s *suite) {
		id := s.ref().ID
		s.marked(driver.MarksRequest{ID: id, User: "alice", Label: "tenant"})
		s.mark(driver.EndAllRequest{User: "alice"}, 1, time.Hour)
		s.mark(driver.EndAllRequest{Label: "tenant"}, 2, time.Hour)
		s.marked(driver.MarksRequest{ID: id})
		s.marked(driver.MarksRequest{ID: id, User: "tenant", Label: "alice"})
		s.marked(driver.MarksRequest{ID: id, User: "alice"}, 1)
		s.marked(driver.MarksRequest{ID: id, Label: "tenant"}, 2)
		s.marked(driver.MarksRequest{ID: id, User: "alice", Label: "tenant"}, 1, 2)
		s.mark(driver.EndAllRequest{User: "everything"}, 4, time.Hour)
		s.mark(driver.EndAllRequest{All: true}, 3, time.Hour)
		s.marked(driver.MarksRequest{ID: id}, 3)
		s.marked(driver.MarksRequest{ID: id, User: "bob", Label: "other"}, 3)
		s.marked(driver.MarksRequest{ID: id, User: "everything", Label: "everything"}, 3, 4)
		s.marked(driver.MarksRequest{ID: id, User: "alice", Label: "tenant"}, 1, 2, 3)
	}},
	{"marks/users and labels are compared byte by byte", func(s *suite) {
		id := s.ref().ID
		for i, name := range names {
			s.mark(driver.EndAllRequest{User: name}, int64(2*i+1), time.Hour)
			s.mark(driver.EndAllRequest{Label: name}, int64(2*i+2), time.Hour)
		}
		for i, name := range names {
			s.marked(driver.MarksRequest{ID: id, User: name}, int64(2*i+1))
			s.marked(driver.MarksRequest{ID: id, Label: name}, int64(2*i+2))
		}
	}},
	{"marks/there is none without a number, or after an ID", func(s *suite) {
		r := s.createAs("alice", life)
		s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{r.ID}}, 0, time.Hour)
		s.mark(driver.EndAllRequest{User: "alice", After: r.ID}, 1, time.Hour)
		s.marked(driver.MarksRequest{ID: s.ref().ID, User: "alice"})
		s.unchanged(r)
	}},
	{"marks/one spares the exceptions", func(s *suite) {
		kept, other := s.createAs("alice", life), s.createAs("alice", life)
		var except []driver.ID
		for range 300 {
			except = append(except, s.ref().ID)
		}
		s.mark(driver.EndAllRequest{User: "alice", Except: append(except, kept.ID)}, 1, time.Hour)
		s.unchanged(kept)
		s.gone(other.Ref)
		for _, id := range []driver.ID{kept.ID, except[0], except[299]} {
			s.marked(driver.MarksRequest{ID: id, User: "alice"})
		}
		s.marked(driver.MarksRequest{ID: other.ID, User: "alice"}, 1)
	}},
	{"marks/one is kept for its time by the store's clock, and no longer", func(s *suite) {
		req := driver.MarksRequest{ID: s.ref().ID, User: "alice"}
		s.mark(driver.EndAllRequest{User: "alice"}, 1, 10*time.Hour)
		s.markedFor(req, 1, 0)
		for _, age := range []time.Duration{3 * time.Hour, 6 * time.Hour, 9 * time.Hour} {
			s.age(3 * time.Hour)
			s.reap(10)
			s.markedFor(req, 1, age)
		}
		s.age(time.Hour)
		s.marked(req)
		s.age(3 * time.Hour)
		s.reap(10)
		s.mark(driver.EndAllRequest{User: "alice"}, 2, time.Hour)
		s.markedFor(req, 2, 0)
		s.age(time.Hour)
		s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{req.ID}}, 3, time.Hour)
		s.marked(req)
		s.marked(driver.MarksRequest{ID: s.ref().ID, User: "alice"}, 3)
	}},
	{"marks/one is no row", func(s *suite) {
		s.mark(driver.EndAllRequest{User: "alice"}, 1, time.Hour)
		s.mark(driver.EndAllRequest{Label: "tenant"}, 2, time.Hour)
		s.mark(driver.EndAllRequest{All: true}, 3, time.Hour)
		r := s.createLabelled("alice", "tenant")
		for _, req := range []driver.ListRequest{{User: "alice"}, {Label: "tenant"}, {All: true}, {User: "alice", Newest: true}} {
			req.Limit = 10
			s.listOne(req)
		}
		if got := s.stats(); got != (driver.Stats{Live: 1}) {
			s.Errorf("stats: %+v, want 1 live", got)
		}
		for _, req := range []driver.EndAllRequest{{User: "alice"}, {Label: "tenant"}, {All: true}} {
			req.Limit, req.Except = 10, []driver.ID{r.ID}
			s.ends(0, req)
		}
		s.age(10 * time.Minute)
		s.reaps(0, 10)
		s.marked(driver.MarksRequest{ID: r.ID, User: "alice", Label: "tenant"}, 1, 2, 3)
		s.unchanged(r)
		s.age(time.Hour)
		if got := s.stats(); got != (driver.Stats{Live: 1}) {
			s.Errorf("stats after the marks' time: %+v, want 1 live", got)
		}
		s.age(3 * time.Hour)
		if got := s.stats(); got != (driver.Stats{Dead: 1}) {
			s.Errorf("stats when the reaper is late: %+v, want 1 dead", got)
		}
	}},
	{"marks/one is there before the first row ends", func(s *suite) {
		for round := int64(1); round < 20 && !s.Failed(); round++ {
			rows := s.createMany(8, "alice", life)
			var done atomic.Bool
			parallel(4, func(i int) {
				if i == 0 {
					s.noError("end all", s.tryMark(driver.EndAllRequest{User: "alice", Limit: 100}, round))
					done.Store(true)
					return
				}
				for last := false; !last; {
					last = done.Load()
					if _, err := s.store.Load(s.Context(), rows[i].Ref); !errors.Is(err, driver.ErrNotFound) {
						s.noError("load", err)
						continue
					}
					marks, err := s.store.Marks(s.Context(), driver.MarksRequest{ID: rows[i].ID, User: "alice"})
					if s.noError("marks", err); !slices.ContainsFunc(marks, func(m driver.SetMark) bool { return m.Number == round }) {
						s.Errorf("a row had ended when the marks were %+v, want number %d among them", marks, round)
					}
					return
				}
				s.Error("the row is live after all ended")
			})
		}
	}},
	{"marks/a broken store does not say that there are none", func(s *suite) {
		if s.Break == nil {
			return
		}
		s.Break(s.T, s.store)
		_, err := s.store.Marks(s.Context(), driver.MarksRequest{ID: s.ref().ID, User: "alice"})
		s.saysNothingAboutTheRow("Marks", err)
	}},
}

func (s *suite) tryMark(req driver.EndAllRequest, number int64) error {
	req.Mark = driver.Mark{Number: number, Keep: time.Hour}
	_, err := s.store.EndAll(s.Context(), req)
	return err
}
