package storetest

import (
	"strings"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// verifierRules are about rows that get a new verifier, which every store must allow.
var verifierRules = []rule{
	{"a new verifier opens the row, and the old one does not", func(s *suite) {
		old := s.createAs("alice", life)
		r := old
		r.User, r.Data = "bob", []byte(`{"b":2}`)
		r = s.renew(r, saving)
		s.gone(old.Ref)
		s.unchanged(r)
		s.count(1)
		again := s.renew(r, life)
		s.gone(old.Ref, r.Ref)
		s.unchanged(again)
		s.count(1)
	}},
	{"an old verifier can't save, whatever version comes with it", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renew(old, saving)
		late := old
		late.User, late.Data = "mallory", []byte(`{"late":true}`)
		for _, version := range []driver.Version{old.Version, r.Version} {
			late.Version = version
			to := s.next(old.Ref)
			s.out(late, to)
			s.out(late, r.Ref)
			s.gone(to)
		}
		s.unchanged(r)
		s.count(1)
	}},
	{"an old verifier can't touch", func(s *suite) {
		old := s.create()
		r := s.renew(old, saving)
		s.age(time.Hour)
		for _, throttle := range []time.Duration{0, time.Minute, 10 * time.Hour} {
			s.is(s.tryTouch(old.Ref, driver.Life{Idle: idle, Throttle: throttle}), driver.ErrNotFound)
		}
		s.expires(r.Ref, idle-time.Hour)
	}},
	{"save with a new verifier on another version is ErrConflict", func(s *suite) {
		stale := s.create()
		r := stale
		r.Data = []byte(`{"b":2}`)
		r = s.save(r, saving)
		for _, life := range []driver.Life{saving, life} {
			to := s.next(r.Ref)
			s.refused(driver.ErrConflict)(s.tryRenew(stale, to, life))
			s.gone(to)
		}
		s.unchanged(r)
	}},
	{"save of a missing row with a new verifier is ErrNotFound and makes none", func(s *suite) {
		r := s.row()
		r.Version = 1
		to := s.next(r.Ref)
		s.out(r, to)
		s.gone(to)
		s.count(0)
	}},
	{"save with a new verifier sets the expiry", func(s *suite) {
		r := s.create()
		s.age(time.Hour)
		for _, life := range []driver.Life{saving, {Idle: 10 * time.Minute}, life, {Idle: idle, Absolute: 10 * time.Minute}} {
			want := life.Idle
			if life.Absolute > 0 {
				want = min(want, life.Absolute)
			}
			r = s.renew(r, life)
			s.expires(r.Ref, want)
		}
	}},
	{"save with another row's verifier leaves that row alone", func(s *suite) {
		r, other := s.create(), s.create()
		r, err := s.tryRenew(r, driver.Ref{ID: r.ID, Verifier: other.Verifier}, saving)
		if err != nil || s.Ref != nil { // a store that finds rows by verifier can't have two
			s.is(err, driver.ErrExists)
		}
		s.unchanged(r, other)
		s.count(2)
	}},
	{"verifiers are compared byte by byte", func(s *suite) {
		r := s.create()
		v := string(r.Verifier)
		for _, other := range []string{
			strings.ToUpper(v), strings.ToLower(v), v[:len(v)-1], v[1:], v + " ", " " + v, v + "\x00", "\x00" + v, v + v,
			"", "\x00", "\xff", "%", strings.Repeat("v", 1000),
		} {
			if other == v {
				continue
			}
			ref := driver.Ref{ID: r.ID, Verifier: driver.Verifier(other)}
			s.gone(ref)
			s.is(s.tryTouch(ref, saving), driver.ErrNotFound)
		}
		s.unchanged(r)
	}},
}

// endRules are about End, apart from what only a store whose rows keep their ID can do.
var endRules = []rule{
	{"end ends one row", func(s *suite) {
		r, other := s.createAs("alice", life), s.createAs("alice", life)
		s.must(s.tryEnd(r.ID))
		s.gone(r.Ref)
		s.count(1)
		s.unchanged(other)
		s.is(s.tryEnd(r.ID), driver.ErrNotFound)
		s.is(s.tryEnd(s.ref().ID), driver.ErrNotFound)
		s.unchanged(other)
	}},
	{"an ended row does not come back", func(s *suite) {
		r := s.createAs("alice", life)
		s.must(s.tryEnd(r.ID))
		to := s.next(r.Ref)
		s.out(r, to)
		s.gone(to)
		s.count(0)
		s.listsNone(driver.ListRequest{User: "alice", Limit: 10})
	}},
	{"end spares another user's row", func(s *suite) {
		r, visitor := s.createAs("alice", life), s.create()
		for _, user := range []string{"bob", "", "Alice", "alice ", "alic"} {
			s.is(s.tryEndOf(user, r.ID), driver.ErrNotFound)
		}
		s.is(s.tryEndOf("alice", visitor.ID), driver.ErrNotFound)
		s.unchanged(r, visitor)
		s.must(s.tryEndOf("alice", r.ID))
		s.gone(r.Ref)
		s.unchanged(visitor)
		s.must(s.tryEndOf("", visitor.ID))
		s.gone(visitor.Ref)
		s.is(s.tryEndOf("alice", r.ID), driver.ErrNotFound)
	}},
	{"end compares the user that the row has now", func(s *suite) {
		r := s.createAs("alice", life)
		r.User = "bob"
		r = s.save(r, saving)
		s.is(s.tryEndOf("alice", r.ID), driver.ErrNotFound)
		s.unchanged(r)
		s.must(s.tryEndOf("bob", r.ID))
		s.gone(r.Ref)
	}},
}
