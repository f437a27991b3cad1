package storetest

import (
	"time"

	"github.com/sqlsessions/sessions/driver"
)

var expiryRules = []rule{
	{"an idle row is dead for every method", func(s *suite) {
		s.dead(life, idle+time.Second)
	}},
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
		if got := s.load(r.Ref); !near(got.AbsoluteIn, before) || !near(got.ExpiresIn, idle) {
			s.Errorf("expires in %v and %v, want %v and %v", got.ExpiresIn, got.AbsoluteIn, idle, before)
		}
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
	for _, again := range []driver.Life{saving, {Idle: idle, Absolute: absolute}} {
		s.refused(driver.ErrNotFound)(s.trySave(r, again))
		s.refused(driver.ErrNotFound)(s.tryRenew(r, to, again))
		s.is(s.tryTouch(r.Ref, again), driver.ErrNotFound)
	}
	for _, throttle := range []time.Duration{time.Minute, 100 * absolute} {
		s.is(s.tryTouch(r.Ref, driver.Life{Idle: idle, Throttle: throttle}), driver.ErrNotFound)
	}
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
