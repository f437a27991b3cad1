package storetest

import (
	"time"

	"github.com/sqlsessions/sessions/driver"
)

var expiryRules = []rule{
	{"an idle row is dead for every method", func(s *suite) { s.dead(life, idle+time.Second) }},
	{"a row at its absolute limit is dead for every method", func(s *suite) {
		s.dead(driver.Life{Idle: 48 * time.Hour, Absolute: absolute}, absolute+time.Second)
	}},
	{"a row lives until its expiry", func(s *suite) {
		r := s.create()
		s.age(idle - time.Minute)
		got := s.load(r.Ref)
		if got.ExpiresIn <= 0 || got.ExpiresIn > time.Minute+time.Second {
			s.Errorf("expires in %v, want up to a minute", got.ExpiresIn)
		}
	}},
	{"touch moves the expiry and nothing else", func(s *suite) {
		r := s.createAs("alice", life)
		s.age(time.Hour)
		result, err := s.store.Touch(s.Context(), driver.TouchRequest{Ref: r.Ref, Life: saving})
		s.must(err)
		if result.Version != 0 {
			s.Errorf("touch returned the version %d, want 0", result.Version)
		}
		s.expires(r.Ref, idle)
		s.unchanged(r)
		s.save(r, saving) // the version that was loaded before the touch is still good
	}},
	{"touch does not move the expiry backward", func(s *suite) {
		r := s.create()
		s.touch(r.Ref, driver.Life{Idle: time.Minute})
		s.expires(r.Ref, idle)
	}},
	{"touch leaves small moves alone", func(s *suite) {
		r := s.create()
		s.age(5 * time.Minute)
		before := s.load(r.Ref).ExpiresIn
		s.touch(r.Ref, driver.Life{Idle: idle, Throttle: 10 * time.Minute})
		if got := s.load(r.Ref).ExpiresIn; got > before {
			s.Errorf("expiry moved from %v to %v", before, got)
		}
		s.age(6 * time.Minute)
		s.touch(r.Ref, driver.Life{Idle: idle, Throttle: 10 * time.Minute})
		s.expires(r.Ref, idle)
	}},
	{"touch keeps the absolute limit, whatever it is asked for", func(s *suite) {
		r := s.create()
		s.age(time.Hour)
		before := s.load(r.Ref).AbsoluteIn
		s.touch(r.Ref, driver.Life{Idle: idle, Absolute: 100 * absolute})
		s.touch(r.Ref, driver.Life{Idle: idle, Absolute: time.Minute})
		s.lives(r.Ref, idle, before)
	}},
	{"save sets the expiry", func(s *suite) {
		r := s.create()
		s.age(time.Hour)
		r = s.save(r, saving)
		s.expires(r.Ref, idle)
		r = s.save(r, driver.Life{Idle: 10 * time.Minute})
		s.expires(r.Ref, 10*time.Minute)
		r = s.save(r, driver.Life{Idle: idle, Absolute: 20 * time.Minute})
		s.expires(r.Ref, 20*time.Minute)
	}},
}

// dead checks that rows of this life are dead after d, reaper or not.
func (s *suite) dead(life driver.Life, d time.Duration) {
	s.Helper()
	r, other := s.createAs("alice", life), s.createAs("alice", life)
	s.age(d)
	s.gone(r.Ref, other.Ref)
	s.count(0)
	to := s.next(r.Ref)
	s.out(r, to)
	for _, req := range []driver.ListRequest{{All: true, Limit: 10}, {User: "alice", Limit: 10}, {ID: r.ID, Limit: 10}} {
		s.listsNone(req)
	}
	s.is(s.tryEndOf("bob", r.ID), driver.ErrNotFound)
	s.is(s.tryEndOf("alice", r.ID), driver.ErrNotFound)
	s.is(s.tryEnd(r.ID), driver.ErrNotFound)
	for _, req := range []driver.EndAllRequest{{User: "alice", Limit: 10}, {All: true, Limit: 10}} {
		s.ends(0, req)
	}
	s.gone(r.Ref, other.Ref, to)
	s.count(0)
}

// A store may leave a dead row for two hours, so most dead rows here died three hours ago.
var reapRules = []rule{
	{"the reaper deletes dead rows, up to a limit", func(s *suite) {
		s.createMany(5, "", life)
		s.age(idle + 3*time.Hour)
		live := s.create()
		if got := s.stats(); got != (driver.Stats{Live: 1, Dead: 5}) {
			s.Fatalf("stats: %+v, want 1 live and 5 dead", got)
		}
		got, err := s.store.Reap(s.Context(), driver.ReapRequest{Limit: 2})
		s.must(err)
		if got != (driver.ReapResult{Deleted: 2, More: true}) {
			s.Fatalf("%+v, want the limit of 2, and more", got)
		}
		s.reaps(3, 100)
		got, err = s.store.Reap(s.Context(), driver.ReapRequest{Limit: 100})
		s.must(err)
		if got != (driver.ReapResult{}) {
			s.Fatalf("%+v at the end", got)
		}
		s.unchanged(live)
		if got := s.stats(); got != (driver.Stats{Live: 1}) {
			s.Errorf("stats: %+v, want 1 live", got)
		}
	}},
	{"the reaper finds dead rows among live ones", func(s *suite) {
		living := s.createMany(5, "", life)
		s.age(idle - time.Minute)
		for _, r := range living {
			s.touch(r.Ref, driver.Life{Idle: 10 * time.Hour})
		}
		s.age(4 * time.Hour) // the life that they were created with is over, however it is rounded
		s.createMany(3, "", driver.Life{Idle: time.Minute, Absolute: absolute})
		s.age(3 * time.Hour)
		s.reaps(3, 2)
		s.unchanged(living...)
		s.age(6 * time.Hour)
		s.reaps(5, 2)
	}},
	{"the reaper finds rows whose expiry was moved earlier", func(s *suite) {
		long := driver.Life{Idle: 10 * time.Hour, Absolute: absolute}
		short := []driver.Life{{Idle: time.Minute}, {Idle: time.Minute, Absolute: absolute}, {Idle: 10 * time.Hour, Absolute: time.Minute}}
		for _, life := range short {
			s.save(s.createAs("", long), life)
			s.renew(s.createAs("", long), life)
		}
		r := s.createAs("", long)
		s.age(3 * time.Hour)
		s.reaps(2*len(short), 10)
		s.unchanged(r)
	}},
	{"the reaper spares rows that were touched, saved or given a new verifier", func(s *suite) {
		touched, saved, renewed, dead := s.create(), s.create(), s.create(), s.create()
		s.age(idle - time.Minute)
		s.touch(touched.Ref, driver.Life{Idle: 10 * time.Hour})
		saved = s.save(saved, driver.Life{Idle: 10 * time.Hour})
		renewed = s.renew(renewed, driver.Life{Idle: 10 * time.Hour, Absolute: absolute})
		s.age(4 * time.Hour) // the life that they were created with is over, however it is rounded
		s.reaps(1, 100)
		s.unchanged(touched, saved, renewed)
		s.gone(dead.Ref)
	}},
	{"the reaper deletes rows that reached the absolute limit", func(s *suite) {
		s.createAs("", driver.Life{Idle: 48 * time.Hour, Absolute: absolute})
		s.age(absolute + 3*time.Hour)
		s.reaps(1, 10)
	}},
}
