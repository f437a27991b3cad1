package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func notSentinel(t *testing.T, errs map[string]error) {
	t.Helper()
	for name, err := range errs {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		for _, sentinel := range []error{sessions.ErrNotFound, sessions.ErrConflict, sessions.ErrExists} {
			if errors.Is(err, sentinel) {
				t.Errorf("%s: %v wraps %v, which says something about the row", name, err, sentinel)
			}
		}
	}
}

var expiryTests = map[string]func(*testing.T, *suite){
	"an idle row is dead for every method": func(t *testing.T, s *suite) {
		dead(t, s, s.createAs("alice", ttl), idle+time.Second)
	},
	"a row at its absolute limit is dead for every method": func(t *testing.T, s *suite) {
		dead(t, s, s.createAs("alice", sessions.TTL{Idle: 48 * time.Hour, Absolute: absolute}), absolute+time.Second)
	},
	"a row lives until its expiry": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(idle - time.Minute)
		got := s.load(r.Key)
		if got.ExpiresIn <= 0 || got.ExpiresIn > time.Minute+time.Second {
			t.Errorf("expires in %v, want up to a minute", got.ExpiresIn)
		}
	},
	"touch moves the expiry and nothing else": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(time.Hour)
		s.must(s.store.Touch(t.Context(), r.Key, saving))
		got := s.load(r.Key)
		if !near(got.ExpiresIn, idle) {
			t.Errorf("expires in %v", got.ExpiresIn)
		}
		if got.Version != r.Version || text(got) != text(r) {
			t.Errorf("touch changed the row: %+v", got)
		}
		s.save(r, saving) // the version that was loaded before the touch is still good
	},
	"touch does not move the expiry backward": func(t *testing.T, s *suite) {
		r := s.create()
		s.must(s.store.Touch(t.Context(), r.Key, sessions.TTL{Idle: time.Minute}))
		if got := s.load(r.Key); !near(got.ExpiresIn, idle) {
			t.Errorf("expires in %v, want %v", got.ExpiresIn, idle)
		}
	},
	"touch leaves small moves alone": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(5 * time.Minute)
		before := s.load(r.Key).ExpiresIn
		s.must(s.store.Touch(t.Context(), r.Key, sessions.TTL{Idle: idle, Throttle: 10 * time.Minute}))
		if got := s.load(r.Key).ExpiresIn; got > before {
			t.Errorf("expiry moved from %v to %v", before, got)
		}
		s.age(6 * time.Minute)
		s.must(s.store.Touch(t.Context(), r.Key, sessions.TTL{Idle: idle, Throttle: 10 * time.Minute}))
		if got := s.load(r.Key).ExpiresIn; !near(got, idle) {
			t.Errorf("expires in %v after a move that is worth it", got)
		}
	},
	"touch of a missing row makes none": func(t *testing.T, s *suite) {
		s.must(s.store.Touch(t.Context(), s.Record().Key, saving))
		s.count(0)
	},
	"save sets the expiry": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(time.Hour)
		r.Version = s.save(r, saving)
		if got := s.load(r.Key); !near(got.ExpiresIn, idle) {
			t.Errorf("expires in %v", got.ExpiresIn)
		}
		s.save(r, sessions.TTL{Idle: 10 * time.Minute})
		if got := s.load(r.Key); !near(got.ExpiresIn, 10*time.Minute) {
			t.Errorf("expires in %v, want the 10m that were asked for", got.ExpiresIn)
		}
	},
	"rekey sets the expiry": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(time.Hour)
		for _, ttl := range []sessions.TTL{saving, {Idle: 10 * time.Minute}, ttl, {Idle: idle, Absolute: 10 * time.Minute}} {
			to := s.Record()
			to.Version = r.Version
			v, err := s.store.Rekey(t.Context(), r.Key, to, ttl)
			s.must(err)
			want := ttl.Idle
			if ttl.Absolute > 0 {
				want = min(want, ttl.Absolute)
			}
			if got := s.load(to.Key).ExpiresIn; !near(got, want) {
				t.Errorf("expires in %v, want %v", got, want)
			}
			r, r.Version = to, v
		}
	},
	"the reaper's delete takes the dead, oldest first, up to a limit": func(t *testing.T, s *suite) {
		for range 5 {
			s.create()
		}
		s.age(idle + 3*time.Hour)
		live := s.create()
		if n, err := s.store.CountExpired(t.Context()); err != nil || n != 5 {
			t.Fatalf("CountExpired: %d, %v; want 5", n, err)
		}
		if n, more, err := s.store.DeleteExpired(t.Context(), 2); n != 2 || !more || err != nil {
			t.Fatalf("deleted %d, more %t, %v; want the limit of 2", n, more, err)
		}
		if n, _, err := s.store.DeleteExpired(t.Context(), 100); n != 3 || err != nil {
			t.Fatalf("deleted %d, %v; want the other 3", n, err)
		}
		if n := expired(s, 100); n != 0 {
			t.Fatalf("deleted %d more", n)
		}
		if n, more, err := s.store.DeleteExpired(t.Context(), 100); n != 0 || more || err != nil {
			t.Fatalf("at the end: deleted %d, more %t, %v", n, more, err)
		}
		s.load(live.Key)
	},
	"the reaper finds the dead behind the living": func(t *testing.T, s *suite) {
		var living []sessions.Record
		for range 5 {
			living = append(living, s.create())
		}
		s.age(idle - time.Minute)
		for _, r := range living {
			s.must(s.store.Touch(t.Context(), r.Key, sessions.TTL{Idle: 10 * time.Hour}))
		}
		s.age(4 * time.Hour) // what they were created with is over, by any rounding
		for range 3 {
			s.createAs("", sessions.TTL{Idle: time.Minute, Absolute: absolute})
		}
		s.age(3 * time.Hour)
		if n := expired(s, 2); n != 3 {
			t.Errorf("deleted %d, want 3", n)
		}
		for _, r := range living {
			s.load(r.Key)
		}
		s.age(6 * time.Hour)
		if n := expired(s, 2); n != 5 {
			t.Errorf("deleted %d of those that lived on, want 5", n)
		}
	},
	"the reaper finds what was given less time": func(t *testing.T, s *suite) {
		long := sessions.TTL{Idle: 10 * time.Hour, Absolute: absolute}
		r, saved := s.createAs("", long), s.createAs("", long)
		s.save(saved, sessions.TTL{Idle: time.Minute})
		for _, ttl := range []sessions.TTL{{Idle: time.Minute}, {Idle: time.Minute, Absolute: absolute}} {
			to := s.Record()
			to.Version = r.Version
			_, err := s.store.Rekey(t.Context(), r.Key, to, ttl)
			s.must(err)
			r = s.createAs("", long)
		}
		s.age(3 * time.Hour)
		if n := expired(s, 10); n != 3 {
			t.Errorf("deleted %d, want 3", n)
		}
		s.load(r.Key)
	},
	"the reaper's delete spares what was touched or saved": func(t *testing.T, s *suite) {
		touched, saved, dead := s.create(), s.create(), s.create()
		s.age(idle - time.Minute)
		s.must(s.store.Touch(t.Context(), touched.Key, sessions.TTL{Idle: 10 * time.Hour}))
		s.save(saved, sessions.TTL{Idle: 10 * time.Hour})
		s.age(4 * time.Hour) // what they were created with is over, by any rounding
		if n := expired(s, 100); n != 1 {
			t.Errorf("deleted %d, want 1", n)
		}
		s.load(touched.Key)
		s.load(saved.Key)
		s.gone(dead.Key)
	},
	"the reaper's delete takes rows at the absolute limit": func(t *testing.T, s *suite) {
		s.createAs("", sessions.TTL{Idle: 48 * time.Hour, Absolute: absolute})
		s.age(absolute + 3*time.Hour)
		if n := expired(s, 10); n != 1 {
			t.Errorf("deleted %d, want 1", n)
		}
	},
}

// dead checks that a row whose time ends after d is dead then, reaper or not.
func dead(t *testing.T, s *suite, r sessions.Record, d time.Duration) {
	s.age(d)
	s.gone(r.Key)
	_, err := s.store.Save(t.Context(), r, saving)
	s.is(err, sessions.ErrNotFound)
	s.must(s.store.Touch(t.Context(), r.Key, saving))
	to := s.Record()
	to.Version = r.Version
	_, err = s.store.Rekey(t.Context(), r.Key, to, ttl)
	s.is(err, sessions.ErrNotFound)
	s.is(s.store.DeleteHandle(t.Context(), r.Handle), sessions.ErrNotFound)
	s.gone(r.Key)
	s.gone(to.Key)
	s.count(0)
	for _, user := range []string{"", "alice"} {
		list, err := s.store.List(t.Context(), user, "", 10)
		s.must(err)
		if len(list) != 0 {
			t.Errorf("list of %q shows the dead row", user)
		}
	}
}
