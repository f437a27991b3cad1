package storetest

import (
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

func (s *suite) endAll(req driver.EndAllRequest) driver.EndAllResult {
	s.Helper()
	result, err := s.store.EndAll(s.Context(), req)
	s.must(err)
	return result
}

func (s *suite) list(req driver.ListRequest) []driver.Row {
	s.Helper()
	rows, err := s.store.List(s.Context(), req)
	s.must(err)
	return rows
}

// listOne checks that there is one row and returns it.
func (s *suite) listOne(req driver.ListRequest) driver.Row {
	s.Helper()
	rows := s.list(req)
	if len(rows) != 1 {
		s.Fatalf("listed %d rows, want one: %+v", len(rows), req)
	}
	return rows[0]
}

// ends, listsNone and reaps check how many rows a call ends, lists or deletes.
func (s *suite) ends(want int, req driver.EndAllRequest) {
	s.Helper()
	if n := s.endAll(req).Ended; n != want {
		s.Errorf("ended %d rows, want %d: %+v", n, want, req)
	}
}

func (s *suite) listsNone(req driver.ListRequest) {
	s.Helper()
	if n := len(s.list(req)); n != 0 {
		s.Errorf("listed %d rows, want none: %+v", n, req)
	}
}

func (s *suite) reaps(want, limit int) {
	s.Helper()
	if n := s.reap(limit); n != want {
		s.Errorf("deleted %d rows, want %d", n, want)
	}
}

func (s *suite) stats() driver.Stats {
	s.Helper()
	stats, err := s.store.Stats(s.Context())
	s.must(err)
	return stats
}

func (s *suite) count(live int) {
	s.Helper()
	if n := s.stats().Live; n != live {
		s.Fatalf("the store counts %d live rows, want %d", n, live)
	}
}

// reap calls Reap until there is no more, and returns how many rows went.
func (s *suite) reap(limit int) (deleted int) {
	s.Helper()
	for range 100 {
		result, err := s.store.Reap(s.Context(), driver.ReapRequest{Limit: limit})
		s.must(err)
		if result.Deleted > limit {
			s.Fatalf("deleted %d at once, with a limit of %d", result.Deleted, limit)
		}
		if deleted += result.Deleted; !result.More {
			return deleted
		}
	}
	s.Fatalf("deleted %d in 100 calls, and there is still more", deleted)
	return deleted
}

// pages lists page by page and returns the IDs, which must come in their order.
func (s *suite) pages(req driver.ListRequest) (ids []driver.ID) {
	s.Helper()
	for range 100 {
		page := s.list(req)
		if len(page) > req.Limit {
			s.Fatalf("a page of %d rows, limit %d", len(page), req.Limit)
		}
		for _, r := range page {
			if r.ID <= req.After {
				s.Fatalf("listed %s after %s", r.ID, req.After)
			}
			req.After = r.ID
			ids = append(ids, r.ID)
		}
		if len(page) < req.Limit {
			return ids
		}
	}
	s.Fatal("there is no end of pages")
	return nil
}

func ids(rows []driver.Row) []driver.ID {
	ids := make([]driver.ID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	slices.Sort(ids)
	return ids
}

var bulkRules = []rule{
	{"list pages through all rows in the order of their IDs", func(s *suite) {
		var all, alices []driver.Row
		s.createAs("alice", life)
		s.age(idle + time.Hour)
		for i := range 11 {
			r := s.createAs([]string{"alice", "bob", ""}[i%3], life)
			if all = append(all, r); r.User == "alice" {
				alices = append(alices, r)
			}
		}
		for _, limit := range []int{1, 3, 11, 100} {
			if got, want := s.pages(driver.ListRequest{All: true, Limit: limit}), ids(all); !slices.Equal(got, want) {
				s.Errorf("listed %v, want %v", got, want)
			}
			if got, want := s.pages(driver.ListRequest{User: "alice", Limit: limit}), ids(alices); !slices.Equal(got, want) {
				s.Errorf("listed %v, want %v", got, want)
			}
		}
	}},
	{"list shows a row as load does", func(s *suite) {
		r := s.createAs("alice", life)
		s.createAs("bob", life)
		s.createAs("", life)
		want := s.load(r.Ref)
		for _, req := range []driver.ListRequest{{User: "alice", Limit: 10}, {ID: r.ID, Limit: 10}, {ID: r.ID, Limit: 1}} {
			got := s.listOne(req)
			if got.Ref != want.Ref || got.User != want.User || got.Label != want.Label || string(got.Data) != string(want.Data) ||
				got.Version != want.Version || !got.CreatedAt.Equal(want.CreatedAt) || !got.AuthenticatedAt.Equal(want.AuthenticatedAt) ||
				!near(got.ExpiresIn, want.ExpiresIn) || !near(got.AbsoluteIn, want.AbsoluteIn) {
				s.Errorf("listed %+v, loaded %+v", got, want)
			}
		}
	}},
	{"list of an ID that no row has is empty", func(s *suite) {
		s.create()
		s.listsNone(driver.ListRequest{ID: s.ref().ID, Limit: 10})
	}},
	{"end all of a user spares the exceptions and other users", func(s *suite) {
		a1, a2, a3 := s.createAs("alice", life), s.createAs("alice", life), s.createAs("alice", life)
		bob, visitor := s.createAs("bob", life), s.create()
		except := []driver.ID{a2.ID, bob.ID, s.ref().ID, a2.ID}
		s.ends(2, driver.EndAllRequest{User: "alice", Except: except, Limit: 10})
		s.gone(a1.Ref, a3.Ref)
		s.unchanged(a2, bob, visitor)
		s.ends(1, driver.EndAllRequest{User: "alice", Limit: 10})
		s.ends(0, driver.EndAllRequest{User: "carol", Limit: 10})
		s.unchanged(bob, visitor)
		s.count(2)
	}},
	{"end all works in batches, and counts live rows alone", func(s *suite) {
		for _, req := range []driver.EndAllRequest{{All: true, Limit: 4}, {User: "alice", Limit: 4}} {
			s.createMany(5, "alice", life)
			s.age(idle + time.Hour)
			kept := s.createAs("alice", life)
			req.Except = []driver.ID{kept.ID}
			s.createMany(8, "alice", life)
			for i, want := range []int{4, 4, 0} {
				s.ends(want, req)
				s.count([]int{5, 1, 1}[i])
			}
			s.unchanged(kept)
			req.Except = nil
			s.ends(1, req)
			s.count(0)
		}
	}},
	{"end all takes many exceptions", func(s *suite) {
		kept := s.createAs("alice", life)
		s.createAs("alice", life)
		var except []driver.ID
		for range 300 {
			except = append(except, s.ref().ID)
		}
		s.ends(1, driver.EndAllRequest{User: "alice", Except: append(except, kept.ID), Limit: 10})
		s.createAs("bob", life)
		s.ends(1, driver.EndAllRequest{All: true, Except: append(except, kept.ID), Limit: 10})
		s.unchanged(kept)
	}},
	{"stats counts live rows", func(s *suite) {
		if got := s.stats(); got != (driver.Stats{}) {
			s.Errorf("%+v in an empty table", got)
		}
		s.create()
		s.age(idle + time.Hour)
		s.create()
		s.create()
		s.count(2)
	}},
}

// selectionRules are about requests that a program would not mean to make.
var selectionRules = []rule{
	{"list with no selection, or with two, is ErrInvalid", func(s *suite) {
		r := s.createAs("alice", life)
		for _, req := range []driver.ListRequest{
			{Limit: 10},
			{Limit: 10, After: r.ID},
			{Limit: 10, ID: r.ID, User: "alice"},
			{Limit: 10, ID: r.ID, All: true},
			{Limit: 10, User: "alice", Label: "tenant"},
			{Limit: 10, User: "alice", All: true},
			{Limit: 10, Label: "tenant", All: true},
			{All: true},
			{User: "alice", Limit: -1},
			{ID: r.ID},
			{All: true, Limit: 10, After: "x"},
			{All: true, Limit: 10, Newest: true},
			{ID: r.ID, Limit: 10, Newest: true},
			{User: "alice", Limit: 10, Newest: true, After: r.ID},
		} {
			rows, err := s.store.List(s.Context(), req)
			if s.is(err, driver.ErrInvalid); len(rows) != 0 {
				s.Errorf("%+v listed %d rows", req, len(rows))
			}
		}
	}},
	{"end all with no selection, or with two, is ErrInvalid and ends nothing", func(s *suite) {
		r, bob, visitor := s.createAs("alice", life), s.createAs("bob", life), s.create()
		requests := []driver.EndAllRequest{
			{Limit: 10},
			{Limit: 10, Except: []driver.ID{r.ID}},
			{Limit: 10, User: "alice", Label: "tenant"},
			{Limit: 10, User: "alice", All: true},
			{Limit: 10, Label: "tenant", All: true},
			{Limit: 10, User: "alice", Label: "tenant", All: true},
			{All: true},
			{User: "alice", Limit: -1},
		}
		for _, id := range append(badIDs(r.ID), "") {
			requests = append(requests, driver.EndAllRequest{User: "alice", Limit: 10, Except: []driver.ID{id}},
				driver.EndAllRequest{All: true, Limit: 10, Except: []driver.ID{bob.ID, id}})
			if id != "" {
				requests = append(requests, driver.EndAllRequest{User: "alice", Limit: 10, After: id})
			}
		}
		for _, req := range requests {
			req.Mark = driver.Mark{Number: 1, Keep: time.Hour}
			result, err := s.store.EndAll(s.Context(), req)
			if s.is(err, driver.ErrInvalid); result.Ended != 0 {
				s.Errorf("%+v ended %d rows", req, result.Ended)
			}
		}
		s.unchanged(r, bob, visitor)
		s.marked(driver.MarksRequest{ID: r.ID, User: "alice", Label: "tenant"})
	}},
}
