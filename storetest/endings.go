package storetest

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// endings returns the endings of those of the rows that are not live, by their IDs.
func (s *suite) endings(refs ...driver.Ref) map[driver.ID]driver.Ending {
	s.Helper()
	found, err := s.store.Endings(s.Context(), refs)
	s.must(err)
	byID := map[driver.ID]driver.Ending{}
	for _, e := range found {
		if _, twice := byID[e.ID]; twice || !slices.ContainsFunc(refs, func(r driver.Ref) bool { return r.ID == e.ID }) {
			s.Fatalf("an ending too much: %+v", e)
		}
		byID[e.ID] = e
	}
	return byID
}

// ended checks a row's ending, and how long ago that was.
func (s *suite) ended(ref driver.Ref, want driver.Ending, ago time.Duration) {
	s.Helper()
	got, found := s.endings(ref)[ref.ID]
	if !found || got.At.IsZero() != want.Gone || !want.Gone && !near(time.Since(got.At), ago) {
		s.Errorf("found %t: %+v, want %+v, %v ago", found, got, want, ago)
	}
	want.ID, want.At = ref.ID, got.At
	if got != want {
		s.Errorf("the ending %+v, want %+v", got, want)
	}
}

// alive checks that there are no endings of the rows.
func (s *suite) alive(rows ...driver.Row) {
	s.Helper()
	for _, r := range rows {
		if got := s.endings(r.Ref); len(got) != 0 {
			s.Errorf("a live row has the ending %+v", got)
		}
	}
}

// end ends a row that must be live, with the reason "logout".
func (s *suite) end(id driver.ID, keep time.Duration) {
	s.Helper()
	s.must(s.store.End(s.Context(), driver.EndRequest{ID: id, Reason: "logout", Keep: keep}))
}

func (s *suite) tryEndAt(r driver.Row) error {
	return s.store.End(s.Context(), driver.EndRequest{ID: r.ID, Version: r.Version})
}

var endingRules = []rule{
	{"end with a version ends no other state of the row", func(s *suite) {
		old := s.createAs("alice", life)
		r := old
		r.Data = []byte(`{"b":2}`)
		r = s.save(r, saving)
		s.is(s.tryEndAt(old), driver.ErrConflict)
		s.unchanged(r)
		for user, want := range map[string]error{"bob": driver.ErrNotFound, "alice": driver.ErrConflict} {
			s.is(s.store.End(s.Context(), driver.EndRequest{ID: r.ID, User: &user, Version: old.Version}), want)
			s.unchanged(r)
		}
		bob := "bob"
		s.is(s.store.End(s.Context(), driver.EndRequest{ID: r.ID, User: &bob, Version: r.Version}), driver.ErrNotFound)
		s.touch(r.Ref, saving) // which changes no version
		s.unchanged(r)
		s.must(s.tryEndAt(r))
		s.gone(r.Ref)
		s.is(s.tryEndAt(r), driver.ErrNotFound)
		s.is(s.tryEndAt(old), driver.ErrNotFound)
		missing := s.row()
		missing.Version = r.Version
		s.is(s.tryEndAt(missing), driver.ErrNotFound)
		expired := s.create()
		s.age(idle + time.Second)
		other := expired
		other.Version++
		s.is(s.tryEndAt(other), driver.ErrNotFound)
		s.is(s.tryEndAt(expired), driver.ErrNotFound)
	}},
	{"of a save and an end of one version exactly one wins", func(s *suite) {
		for i := 0; i < 20 && !s.Failed(); i++ {
			r := s.create()
			saved := r
			saved.Data = []byte(`{"b":2}`)
			var saveErr, endErr error
			parallel(2, func(i int) {
				if i == 0 {
					saved, saveErr = s.trySave(saved, saving)
				} else {
					endErr = s.tryEndAt(r)
				}
			})
			if endErr == nil {
				s.is(saveErr, driver.ErrNotFound)
				s.gone(r.Ref)
				continue
			}
			s.must(saveErr)
			s.is(endErr, driver.ErrConflict)
			s.unchanged(saved)
			s.must(s.tryEnd(r.ID))
		}
	}},
	{"endings tell live rows from those that expired or are not there", func(s *suite) {
		if got := s.endings(); len(got) != 0 {
			s.Errorf("endings of no rows: %+v", got)
		}
		expired, reaped := s.createAs("alice", life), s.create()
		s.alive(expired, reaped)
		s.age(time.Minute)
		s.must(s.tryEnd(reaped.ID))
		s.age(10 * time.Hour)
		live, missing := s.create(), s.ref()
		s.ended(expired.Ref, driver.Ending{Idle: true}, 10*time.Hour+time.Minute-idle)
		s.reap(10)
		s.ended(missing, driver.Ending{Gone: true}, 0)
		s.ended(expired.Ref, driver.Ending{Gone: true}, 0)
		s.ended(reaped.Ref, driver.Ending{Gone: true}, 0)
		s.alive(live)
		named := live.Ref
		named.ID = "x"
		s.ended(named, driver.Ending{Gone: true}, 0)
	}},
}

// keptRules are about what is left of a row that has ended, which a table made for
// something else may have no room for.
var keptRules = []rule{
	{"kept endings/one says why and when", func(s *suite) {
		r, other := s.createAs("alice", life), s.createAs("alice", life)
		s.end(r.ID, time.Hour)
		s.ended(r.Ref, driver.Ending{Reason: "logout"}, 0)
		s.age(30 * time.Minute)
		s.ended(r.Ref, driver.Ending{Reason: "logout"}, 30*time.Minute)
		s.alive(other)
		s.endAll(driver.EndAllRequest{User: "alice", Limit: 10, Reason: "revoked", Keep: time.Hour})
		s.ended(other.Ref, driver.Ending{Reason: "revoked"}, 0)
		s.ended(r.Ref, driver.Ending{Reason: "logout"}, 30*time.Minute) // which was not touched
		for _, verifier := range []driver.Verifier{"", "other", s.ref().Verifier} {
			s.ended(driver.Ref{ID: r.ID, Verifier: verifier}, driver.Ending{Reason: "logout"}, 30*time.Minute)
		}
	}},
	{"kept endings/an absolute expiry is told from an idle one", func(s *suite) {
		r := s.createAs("", driver.Life{Idle: 48 * time.Hour, Absolute: absolute})
		used := s.createAs("", driver.Life{Idle: 20 * time.Hour, Absolute: absolute})
		s.age(absolute - time.Hour - time.Minute)
		s.age(time.Minute)
		s.ended(used.Ref, driver.Ending{Idle: true}, 3*time.Hour)
		s.alive(r)
		s.age(time.Hour)
		s.ended(r.Ref, driver.Ending{}, 0)
		s.ended(used.Ref, driver.Ending{Idle: true}, 4*time.Hour)
	}},
	{"kept endings/an ended row is neither listed nor counted, and never ends again", func(s *suite) {
		r := s.createLabelled("alice", "tenant")
		s.end(r.ID, 10*time.Hour)
		for _, req := range []driver.ListRequest{{User: "alice"}, {Label: "tenant"}, {All: true}, {ID: r.ID}, {User: "alice", Newest: true}} {
			req.Limit = 10
			s.listsNone(req)
		}
		for _, req := range []driver.EndAllRequest{{User: "alice"}, {Label: "tenant"}, {All: true}} {
			req.Limit, req.Reason = 10, "again"
			s.ends(0, req)
		}
		for _, user := range []string{"alice", "", "bob"} {
			s.is(s.tryEndOf(user, r.ID), driver.ErrNotFound)
		}
		s.is(s.tryEnd(r.ID), driver.ErrNotFound)
		s.is(s.tryEndAt(r), driver.ErrNotFound)
		s.ended(r.Ref, driver.Ending{Reason: "logout"}, 0)
		if got := s.stats(); got != (driver.Stats{Ended: 1}) {
			s.Errorf("stats: %+v, want 1 ended", got)
		}
	}},
	{"kept endings/an ended row keeps its ID, and no write brings it back", func(s *suite) {
		r := s.createAs("alice", life)
		s.end(r.ID, 10*time.Hour)
		again := s.row()
		again.ID = r.ID
		s.refused(driver.ErrExists)(s.tryCreate(again, life))
		s.out(r, s.next(r.Ref))
		s.out(again, s.next(r.Ref))
		empty := r
		empty.Verifier = ""
		s.out(empty, s.next(r.Ref))
		s.count(0)
		s.ended(r.Ref, driver.Ending{Reason: "logout"}, 0)
	}},
	{"kept endings/a clock that is set back brings no row back", func(s *suite) {
		ended, revoked := s.createAs("alice", life), s.createAs("alice", life)
		s.end(ended.ID, 10*time.Hour)
		s.endAll(driver.EndAllRequest{User: "alice", Limit: 10, Reason: "revoked", Keep: 10 * time.Hour})
		for range 3 {
			s.age(-1000 * time.Hour)
			for _, r := range []driver.Row{ended, revoked} {
				s.out(r, s.next(r.Ref))
				s.listsNone(driver.ListRequest{ID: r.ID, Limit: 10})
				s.is(s.tryEnd(r.ID), driver.ErrNotFound)
			}
			s.count(0)
		}
		s.age(3000 * time.Hour)
		s.ended(ended.Ref, driver.Ending{Reason: "logout"}, 0)
		s.ended(revoked.Ref, driver.Ending{Reason: "revoked"}, 0)
	}},
	{"kept endings/of many ends exactly one wins", func(s *suite) {
		for i := 0; i < 10 && !s.Failed(); i++ {
			r, reasons := s.createAs("alice", life), []string{"a", "b", "c", "d", "e", "f", "g", "h"}
			var winner atomic.Pointer[string]
			parallel(len(reasons), func(i int) {
				err := s.store.End(s.Context(), driver.EndRequest{ID: r.ID, Reason: reasons[i], Keep: time.Hour})
				if err == nil {
					if !winner.CompareAndSwap(nil, &reasons[i]) {
						s.Error("a second one won")
					}
				} else if !errors.Is(err, driver.ErrNotFound) {
					s.Errorf("end: %v", err)
				}
			})
			if winner.Load() == nil {
				s.Fatal("none won")
			}
			s.ended(r.Ref, driver.Ending{Reason: *winner.Load()}, 0)
		}
	}},
}
