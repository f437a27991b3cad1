package storetest

import (
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// manyMarksRules are about marks of the same name. Requests leave out those that they set
// themselves, or that except their sessions, and must meet the others.
var manyMarksRules = []rule{
	{"marks/a later one hides no earlier one, and keeps it as long as itself", func(s *suite) {
		a, b := driver.MarksRequest{ID: s.ref().ID, User: "alice"}, driver.MarksRequest{ID: s.ref().ID, User: "alice"}
		s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{a.ID}}, 5, 2*time.Hour)
		s.marked(a)
		s.age(time.Hour)
		s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{b.ID}}, 2, 10*time.Hour)
		s.marked(driver.MarksRequest{ID: s.ref().ID, User: "alice"}, 2, 5)
		s.marked(a, 2)
		s.marked(b, 5)
		s.age(8 * time.Hour)
		s.reap(10)
		s.markedFor(a, 2, 8*time.Hour)
		s.markedFor(b, 5, 9*time.Hour)
		s.mark(driver.EndAllRequest{User: "alice"}, 3, time.Hour) // not shorter than those before
		s.age(90 * time.Minute)
		s.reap(10)
		s.marked(a, 2, 3)
		s.markedFor(b, 3, 90*time.Minute)
		s.markedFor(b, 5, 10*time.Hour+30*time.Minute)
	}},
	{"marks/the latest ten are known", func(s *suite) {
		reqs := make([]driver.MarksRequest, 13)
		for i := range reqs {
			reqs[i] = driver.MarksRequest{ID: s.ref().ID, User: "alice"}
			s.age(10 * time.Minute)
			s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{reqs[i].ID}}, int64(i+1), 10*time.Hour)
		}
		for i, req := range reqs[3:] {
			for j := range reqs[3:] {
				if i != j {
					s.markedFor(req, int64(j+4), time.Duration(9-j)*10*time.Minute)
				}
			}
			marks, err := s.store.Marks(s.Context(), req)
			s.must(err)
			if slices.ContainsFunc(marks, func(m driver.SetMark) bool { return m.Number == int64(i+4) }) {
				s.Errorf("mark %d is over the row that it excepts: %+v", i+4, marks)
			}
		}
	}},
	{"marks/one that is set again hides none, and is no other", func(s *suite) {
		a := driver.MarksRequest{ID: s.ref().ID, User: "alice"}
		s.mark(driver.EndAllRequest{User: "alice"}, 7, time.Hour)
		for range 3 { // its answer was lost
			s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{a.ID}}, 8, time.Hour)
			s.marked(a, 7)
		}
		s.mark(driver.EndAllRequest{User: "alice"}, 9, time.Hour)
		s.mark(driver.EndAllRequest{User: "alice", Except: []driver.ID{a.ID}}, 8, time.Hour)
		s.marked(a, 7, 9)
		s.marked(driver.MarksRequest{ID: s.ref().ID, User: "alice"}, 7, 8, 9)
	}},
	{"marks/those that are forgotten are not hidden", func(s *suite) {
		a := driver.MarksRequest{ID: s.ref().ID, User: "alice"}
		met := func(age time.Duration) { // a mark that was set not before that, and does not except a
			s.Helper()
			marks, err := s.store.Marks(s.Context(), a)
			s.must(err)
			if !slices.ContainsFunc(marks, func(m driver.SetMark) bool { return m.Number < 3 && m.Age < age+time.Minute }) {
				s.Errorf("a row is under %+v, and not under one that was set %v ago", marks, age)
			}
			for _, m := range marks {
				if m.Number > 2 {
					s.Errorf("a row is under mark %d, which excepts it", m.Number)
				}
			}
		}
		s.mark(driver.EndAllRequest{User: "alice"}, 1, 10*time.Hour)
		s.age(time.Hour)
		except := []driver.ID{a.ID}
		for n := range int64(300) {
			s.mark(driver.EndAllRequest{User: "alice", Except: except}, n+3, 10*time.Hour)
		}
		met(time.Hour)
		s.markedFor(driver.MarksRequest{ID: s.ref().ID, User: "alice"}, 302, 0)
		for range 300 {
			except = append(except, s.ref().ID)
		}
		s.mark(driver.EndAllRequest{User: "alice"}, 2, 10*time.Hour)
		s.age(time.Hour)
		for n := range int64(3) {
			s.mark(driver.EndAllRequest{User: "alice", Except: except}, n+3, 10*time.Hour)
			met(time.Hour + time.Duration(n)*time.Minute)
			s.age(time.Minute)
		}
	}},
	{"marks/those that are set at the same time hide none", func(s *suite) {
		const n = 8
		reqs := make([]driver.MarksRequest, n)
		for i := range reqs {
			reqs[i] = driver.MarksRequest{ID: s.ref().ID, User: "alice"}
		}
		parallel(n, func(i int) {
			s.noError("end all", s.tryMark(driver.EndAllRequest{User: "alice", Limit: 1, Except: []driver.ID{reqs[i].ID}}, int64(i+1)))
		})
		for i, req := range reqs {
			var others []int64
			for j := range int64(n) {
				if j != int64(i) {
					others = append(others, j+1)
				}
			}
			s.marked(req, others...)
		}
	}},
}
