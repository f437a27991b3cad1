package storetest

import (
	"time"

	"github.com/sqlsessions/sessions/driver"
)

func (s *suite) createPending(user string) driver.Row {
	s.Helper()
	r := s.row()
	r.User = user
	result, err := s.store.Create(s.Context(), driver.CreateRequest{Ref: r.Ref, User: user, Data: r.Data, Life: life, Pending: true})
	s.must(err)
	r.Version = result.Version
	return r
}

// waits checks that there is a pending row, and that it opens for none.
func (s *suite) waits(r driver.Row) {
	s.Helper()
	s.loadNotFound(r.Ref)
	s.loadNotFound(s.next(r.Ref))
	for _, req := range []driver.ListRequest{{ID: r.ID}, {User: r.User}, {All: true}, {User: r.User, Newest: true}} {
		req.Limit = 10
		got := s.listOne(req)
		if !got.Pending || got.Ref != r.Ref || got.Version != r.Version || got.User != r.User || text(got) != text(r) {
			s.Errorf("listed %+v, want the pending row %+v", got, r)
		}
	}
	s.count(0)
	s.alive(r)
}

// pendingRules are about rows that are not in use yet.
var pendingRules = []rule{
	{"pending/load does not find the row until a save makes it an ordinary one", func(s *suite) {
		r := s.createPending("alice")
		s.waits(r)
		s.age(time.Minute)
		s.touch(r.Ref, saving)
		r = s.saveWith(r, r.Ref, driver.SaveRequest{Life: saving, Pending: true})
		s.waits(r)
		r = s.saveWith(r, s.next(r.Ref), driver.SaveRequest{Grace: time.Minute, Life: saving, Pending: true})
		s.waits(r)
		r = s.save(r, saving)
		s.unchanged(r)
		s.count(1)
		if got := s.listOne(driver.ListRequest{All: true, Limit: 10}); got.Pending {
			s.Errorf("listed %+v as pending", got)
		}
		r = s.saveWith(r, r.Ref, driver.SaveRequest{Life: saving, Pending: true})
		s.waits(r)
	}},
	{"pending/the row's version guards it", func(s *suite) {
		old := s.createPending("alice")
		r := s.saveWith(old, old.Ref, driver.SaveRequest{Life: saving, Pending: true})
		s.refused(driver.ErrConflict)(s.trySave(old, saving))
		s.is(s.tryEndAt(old), driver.ErrConflict)
		again := s.row()
		again.ID = r.ID
		s.refused(driver.ErrExists)(s.tryCreate(again, life))
		s.waits(r)
	}},
	{"pending/the row ends and expires like any other", func(s *suite) {
		r, revoked, expired := s.createPending("alice"), s.createPending("bob"), s.createPending("carol")
		s.must(s.tryEndOf("alice", r.ID))
		s.ends(1, driver.EndAllRequest{User: "bob", Limit: 10, Keep: 10 * time.Hour})
		s.age(idle + 3*time.Hour)
		for _, r := range []driver.Row{r, revoked, expired} {
			s.refused(driver.ErrNotFound)(s.trySave(r, saving))
			s.loadNotFound(r.Ref)
			s.listsNone(driver.ListRequest{ID: r.ID, Limit: 10})
		}
		s.ended(expired.Ref, driver.Ending{Idle: true}, 3*time.Hour)
		if got := s.stats(); got != (driver.Stats{Ended: 1, Dead: 2}) {
			s.Errorf("stats: %+v, want 1 ended and 2 dead", got)
		}
		s.reaps(2, 10)
	}},
}

// seen checks how long ago a row was last seen.
func (s *suite) seen(ref driver.Ref, want time.Duration) {
	s.Helper()
	got := s.load(ref)
	if !near(got.LastSeenAge, want) || !near(time.Since(got.LastSeenAt), want) {
		s.Errorf("last seen %v ago, at %v, which is %v ago; want %v", got.LastSeenAge, got.LastSeenAt, time.Since(got.LastSeenAt), want)
	}
}

// seenRules are about when a row was last seen.
var seenRules = []rule{
	{"last seen/create, save and touch set it", func(s *suite) {
		r := s.create()
		s.seen(r.Ref, 0)
		s.age(20 * time.Minute)
		s.seen(r.Ref, 20*time.Minute)
		for _, save := range []func(){
			func() { r = s.save(r, saving) },
			func() { r = s.renew(r, life) },
			func() { s.touch(r.Ref, saving) },
			func() { s.touch(r.Ref, driver.Life{Idle: idle, Throttle: 10 * time.Minute}) },
		} {
			save()
			s.seen(r.Ref, 0)
			s.age(20 * time.Minute)
		}
		s.seen(r.Ref, 20*time.Minute)
	}},
	{"last seen/touch looks at it and not at what it gains", func(s *suite) {
		throttled := driver.Life{Idle: 10 * time.Hour, Throttle: 10 * time.Minute}
		r := s.create()
		s.age(8 * time.Minute)
		s.touch(r.Ref, throttled)
		s.seen(r.Ref, 8*time.Minute)
		s.expires(r.Ref, idle-8*time.Minute)
		s.age(2 * time.Minute)
		s.touch(r.Ref, throttled)
		s.seen(r.Ref, 0)
		s.expires(r.Ref, 10*time.Hour)
	}},
	{"last seen/touch moves it even if the expiry can't move", func(s *suite) {
		long := driver.Life{Idle: 48 * time.Hour, Absolute: absolute}
		r := s.createAs("", long)
		s.age(time.Hour)
		s.touch(r.Ref, driver.Life{Idle: 48 * time.Hour, Throttle: 10 * time.Minute})
		s.seen(r.Ref, 0)
		s.lives(r.Ref, absolute-time.Hour, absolute-time.Hour)
		s.age(time.Hour)
		s.touch(r.Ref, driver.Life{Idle: time.Minute, Throttle: 10 * time.Minute})
		s.seen(r.Ref, 0)
		s.lives(r.Ref, absolute-2*time.Hour, absolute-2*time.Hour)
	}},
	{"last seen/list shows it, and how long ago the authentication was", func(s *suite) {
		r := s.createAs("alice", life)
		if got := s.load(r.Ref); got.AuthenticatedAge != 0 {
			s.Errorf("authenticated %v ago, want never", got.AuthenticatedAge)
		}
		r.User = ""
		r = s.authenticate(r, r.Ref, saving)
		s.age(20 * time.Minute)
		s.touch(r.Ref, saving)
		s.age(10 * time.Minute)
		for _, got := range []driver.Row{s.load(r.Ref), s.listOne(driver.ListRequest{ID: r.ID, Limit: 1})} {
			if !near(got.LastSeenAge, 10*time.Minute) || !near(got.AuthenticatedAge, 30*time.Minute) || !near(got.VerifierAge, 30*time.Minute) {
				s.Errorf("seen %v, authenticated %v, verifier %v ago; want 10, 30 and 30 minutes", got.LastSeenAge, got.AuthenticatedAge, got.VerifierAge)
			}
		}
	}},
}
