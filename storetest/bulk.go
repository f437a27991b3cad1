package storetest

import (
	"slices"
	"testing"
	"time"
)

var bulkTests = map[string]func(*testing.T, *suite){
	"list pages through all rows in the order of handles": func(t *testing.T, s *suite) {
		var want []string
		for i := range 7 {
			user := []string{"alice", "bob", ""}[i%3]
			want = append(want, s.createAs(user, ttl).Handle)
		}
		slices.Sort(want)
		var got []string
		for after := ""; ; {
			page, err := s.store.List(t.Context(), "", after, 3)
			s.must(err)
			if len(page) > 3 {
				t.Fatalf("a page of %d rows, limit 3", len(page))
			}
			for _, r := range page {
				got = append(got, r.Handle)
			}
			if len(page) < 3 {
				break
			}
			after = page[2].Handle
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %v, want %v", got, want)
		}
	},
	"list shows a row as load does": func(t *testing.T, s *suite) {
		r := s.createAs("alice", ttl)
		s.createAs("bob", ttl)
		list, err := s.store.List(t.Context(), "alice", "", 10)
		s.must(err)
		if len(list) != 1 {
			t.Fatalf("%d rows, want 1", len(list))
		}
		got, want := list[0], s.load(r.Key)
		if got.Key != want.Key || got.Handle != want.Handle || got.User != want.User || string(got.Data) != string(want.Data) ||
			got.Version != want.Version || !got.CreatedAt.Equal(want.CreatedAt) || !near(got.ExpiresIn, want.ExpiresIn) || !near(got.AbsoluteIn, want.AbsoluteIn) {
			t.Errorf("listed %+v, loaded %+v", got, want)
		}
	},
	"delete by user spares the exceptions and other users": func(t *testing.T, s *suite) {
		a1, a2, a3 := s.createAs("alice", ttl), s.createAs("alice", ttl), s.createAs("alice", ttl)
		bob, nobody := s.createAs("bob", ttl), s.create()
		n, err := s.store.DeleteUser(t.Context(), "alice", []string{a2.Handle, bob.Handle, "no such handle", a2.Handle[:5]})
		s.must(err)
		if n != 2 {
			t.Errorf("deleted %d, want 2", n)
		}
		s.gone(a1.Key)
		s.gone(a3.Key)
		s.load(a2.Key)
		s.load(bob.Key)
		s.load(nobody.Key)
		if n, err = s.store.DeleteUser(t.Context(), "alice", nil); n != 1 || err != nil {
			t.Errorf("deleted %d, %v; want 1", n, err)
		}
	},
	"delete all goes in batches": func(t *testing.T, s *suite) {
		for range 5 {
			s.create()
		}
		s.age(idle + time.Hour)
		s.create()
		for _, want := range []int{4, 2, 0} {
			n, err := s.store.DeleteAll(t.Context(), 4)
			s.must(err)
			if n != want {
				t.Errorf("deleted %d, want %d", n, want)
			}
		}
		s.count(0)
	},
	"count counts the living": func(t *testing.T, s *suite) {
		s.create()
		s.age(idle + time.Hour)
		s.create()
		s.create()
		s.count(2)
	},
}
