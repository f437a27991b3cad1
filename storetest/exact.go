package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// exactTests are what a store may lack whose table was made for something else, such as a
// table without a column for it.
var exactTests = map[string]func(*testing.T, *suite){
	"the version of a created row is 1": func(t *testing.T, s *suite) {
		r := s.create()
		if v := s.load(r.Key).Version; v != 1 {
			t.Errorf("version %d, want 1", v)
		}
	},
	"save of what is there already moves the version too": func(t *testing.T, s *suite) {
		r := s.create()
		v := s.save(r, saving)
		if got := s.load(r.Key); got.Version != v || v == r.Version {
			t.Errorf("version %d after a save that returned %d, before %d", got.Version, v, r.Version)
		}
	},
	"create never takes a handle that is taken": func(t *testing.T, s *suite) {
		first, again := s.create(), s.Record()
		again.Handle = first.Handle
		s.is(s.store.Create(t.Context(), again, ttl), sessions.ErrExists)
		s.load(first.Key)
		s.gone(again.Key)
	},
	"rekey keeps a handle that it is given": func(t *testing.T, s *suite) {
		r, to := s.create(), s.Record()
		to.Handle, to.Version = r.Handle, r.Version
		_, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.must(err)
		if got := s.load(to.Key); got.Handle != r.Handle {
			t.Errorf("handle %q, want %q", got.Handle, r.Handle)
		}
	},
	"rekey onto a taken handle is ErrExists": func(t *testing.T, s *suite) {
		r, other, to := s.create(), s.create(), s.Record()
		to.Handle, to.Version = other.Handle, r.Version
		_, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.is(err, sessions.ErrExists)
		s.load(r.Key)
		s.load(other.Key)
		s.gone(to.Key)
	},
	"handles can be chosen, and are compared byte by byte": func(t *testing.T, s *suite) {
		for _, handle := range []string{"handle", "Handle", "handlE", "-_h"} {
			r := s.Record()
			r.Handle = handle
			s.must(s.store.Create(t.Context(), r, ttl))
		}
		s.is(s.store.DeleteHandle(t.Context(), "HANDLE"), sessions.ErrNotFound)
		s.is(s.store.DeleteHandle(t.Context(), "handle "), sessions.ErrNotFound)
		s.must(s.store.DeleteHandle(t.Context(), "Handle"))
		s.count(3)
	},
	"keys can be any bytes": func(t *testing.T, s *suite) {
		for _, key := range []sessions.RowKey{"\x00", "\x00\x00", "\xff", "\xfe", "\xc3\x28", "\xc3"} {
			r := s.Record()
			r.Key += key
			r.Key = r.Key[len(key):]
			r.Data = fmt.Appendf(nil, `{"key":"%x"}`, string(key))
			s.must(s.store.Create(t.Context(), r, ttl))
			if got := s.load(r.Key); got.Key != r.Key || string(got.Data) != string(r.Data) {
				t.Errorf("key %x loaded %s", string(r.Key), got.Data)
			}
		}
	},
	"an expiry is exact": func(t *testing.T, s *suite) {
		r := s.create()
		if got := s.load(r.Key).ExpiresIn; got > idle {
			t.Errorf("expires in %v, want no more than the %v that were asked for", got, idle)
		}
		s.age(idle)
		s.gone(r.Key)
		s.count(0)
		r = s.createAs("", sessions.TTL{Idle: 48 * time.Hour, Absolute: absolute})
		s.age(absolute)
		s.gone(r.Key)
		s.count(0)
	},
	"the absolute limit stands still": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(time.Hour)
		check := func(doing string, key sessions.RowKey) {
			t.Helper()
			if got := s.load(key).AbsoluteIn; !near(got, absolute-time.Hour) {
				t.Errorf("after %s the limit is in %v", doing, got)
			}
		}
		check("an hour", r.Key)
		s.must(s.store.Touch(t.Context(), r.Key, saving))
		check("touch", r.Key)
		r.Version = s.save(r, saving)
		check("save", r.Key)
		to := s.Record()
		to.Version = r.Version
		_, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.must(err)
		check("rekey", to.Key)
	},
	"save stops at the absolute limit": func(t *testing.T, s *suite) {
		r := s.create()
		s.age(time.Hour)
		s.save(r, sessions.TTL{Idle: 48 * time.Hour})
		if got := s.load(r.Key); !near(got.ExpiresIn, absolute-time.Hour) || got.ExpiresIn > got.AbsoluteIn {
			t.Errorf("expires in %v, limit in %v", got.ExpiresIn, got.AbsoluteIn)
		}
	},
	"touch stops at the absolute limit": func(t *testing.T, s *suite) {
		r := s.createAs("", sessions.TTL{Idle: 20 * time.Hour, Absolute: absolute})
		s.age(19 * time.Hour)
		s.must(s.store.Touch(t.Context(), r.Key, sessions.TTL{Idle: 20 * time.Hour}))
		if got := s.load(r.Key); !near(got.ExpiresIn, 5*time.Hour) || got.ExpiresIn > got.AbsoluteIn {
			t.Errorf("expires in %v, limit in %v", got.ExpiresIn, got.AbsoluteIn)
		}
	},
	"rekey keeps the absolute limit unless a new one is given": func(t *testing.T, s *suite) {
		r := s.create()
		created := s.load(r.Key).CreatedAt
		s.age(time.Hour)
		to := s.Record()
		to.Version = r.Version
		v, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.must(err)
		got := s.load(to.Key)
		if !near(got.ExpiresIn, idle) || !near(got.AbsoluteIn, absolute-time.Hour) || !near(got.CreatedAt.Sub(created), -time.Hour) {
			t.Errorf("kept: expires in %v and %v, created %v", got.ExpiresIn, got.AbsoluteIn, got.CreatedAt)
		}
		anew := s.Record()
		anew.Version = v
		_, err = s.store.Rekey(t.Context(), to.Key, anew, sessions.TTL{Idle: idle, Absolute: 3 * time.Hour})
		s.must(err)
		got = s.load(anew.Key)
		if !near(got.ExpiresIn, idle) || !near(got.AbsoluteIn, 3*time.Hour) || !near(time.Since(got.CreatedAt), 0) {
			t.Errorf("anew: expires in %v and %v, created %v", got.ExpiresIn, got.AbsoluteIn, got.CreatedAt)
		}
	},
	"creation time stands still": func(t *testing.T, s *suite) {
		r := s.create()
		before := s.load(r.Key).CreatedAt
		if !near(time.Since(before), 0) {
			t.Errorf("created at %v, which is %v ago", before, time.Since(before))
		}
		r.Version = s.save(r, saving)
		s.must(s.store.Touch(t.Context(), r.Key, saving))
		if after := s.load(r.Key).CreatedAt; !after.Equal(before) {
			t.Errorf("created at %v, then %v", before, after)
		}
	},
	"a delete by handle ends the row whatever moves it at the same time": func(t *testing.T, s *suite) {
		for range 20 {
			r := s.create()
			rekeyed := make([]sessions.Record, 8)
			parallel(9, func(i int) {
				if i == 8 {
					if err := s.store.DeleteHandle(t.Context(), r.Handle); err != nil {
						t.Errorf("delete: %v", err)
					}
					return
				}
				rekeyed[i] = s.Record()
				rekeyed[i].Handle, rekeyed[i].Version = r.Handle, r.Version
				_, saveErr := s.store.Save(t.Context(), r, saving)
				touchErr := s.store.Touch(t.Context(), r.Key, saving)
				_, rekeyErr := s.store.Rekey(t.Context(), r.Key, rekeyed[i], saving)
				if touchErr != nil {
					t.Errorf("touch: %v", touchErr)
				}
				for _, err := range []error{saveErr, rekeyErr} {
					if err != nil && !errors.Is(err, sessions.ErrNotFound) && !errors.Is(err, sessions.ErrConflict) {
						t.Errorf("save or rekey: %v", err)
					}
				}
			})
			s.gone(r.Key)
			for _, to := range rekeyed {
				s.gone(to.Key)
			}
		}
	},
}
