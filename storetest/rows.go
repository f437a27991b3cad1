package storetest

import (
	"context"
	"errors"

	"github.com/sqlsessions/sessions/driver"
)

var rowRules = []rule{
	{"load of a missing row is ErrNotFound", func(s *suite) {
		s.gone(s.ref())
	}},
	{"a created row loads as it was", func(s *suite) {
		want := s.createAs("alice", life)
		s.unchanged(want)
		got := s.load(want.Ref)
		if got.Version == 0 {
			s.Error("the version is 0")
		}
		if !near(got.ExpiresIn, idle) || got.AbsoluteIn < got.ExpiresIn {
			s.Errorf("expires in %v and %v, want %v", got.ExpiresIn, got.AbsoluteIn, idle)
		}
	}},
	{"create never overwrites", func(s *suite) {
		first := s.createAs("alice", life)
		again := first
		again.User, again.Data = "mallory", []byte(`{"stolen":true}`)
		_, err := s.tryCreate(again, life)
		s.is(err, driver.ErrExists)
		s.unchanged(first)
		s.count(1)
	}},
	{"create does not take the place of a dead row", func(s *suite) {
		dead := s.create()
		s.age(idle + 1e9)
		_, err := s.tryCreate(dead, life)
		s.is(err, driver.ErrExists)
		s.gone(dead.Ref)
	}},
	{"save replaces user and data and moves the version", func(s *suite) {
		r := s.createAs("alice", life)
		was := r.Version
		r.User, r.Data = "bob", []byte(`{"b":2}`)
		r = s.save(r, saving)
		s.unchanged(r)
		if r.Version == was || r.Version == 0 {
			s.Errorf("version %d after a save, before %d", r.Version, was)
		}
		r.User = ""
		s.unchanged(s.save(r, saving))
	}},
	{"save on another version is ErrConflict and changes nothing", func(s *suite) {
		r := s.createAs("alice", life)
		stale := r
		stale.User, stale.Data = "mallory", []byte(`{"lost":true}`)
		r.Data = []byte(`{"b":2}`)
		r = s.save(r, saving)
		_, err := s.trySave(stale, saving)
		s.is(err, driver.ErrConflict)
		_, err = s.trySave(stale, life)
		s.is(err, driver.ErrConflict)
		s.unchanged(r)
	}},
	{"save of a missing row is ErrNotFound and makes none", func(s *suite) {
		r := s.row()
		r.Version = 1
		_, err := s.trySave(r, saving)
		s.is(err, driver.ErrNotFound)
		s.gone(r.Ref)
		s.count(0)
	}},
	{"touch of a missing row is ErrNotFound and makes none", func(s *suite) {
		s.is(s.tryTouch(s.ref(), saving), driver.ErrNotFound)
		s.count(0)
	}},
	{"a broken store answers with an error that is none of the sentinels", func(s *suite) {
		if s.Break == nil {
			return
		}
		r := s.create()
		s.Break(s.T, s.store)
		for name, err := range s.everyMethod(s.Context(), r) {
			s.saysNothingOfTheRow(name, err)
		}
	}},
	{"a caller that has left gets an error that is none of the sentinels", func(s *suite) {
		r := s.create()
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		for name, err := range s.everyMethod(ctx, r) {
			s.saysNothingOfTheRow(name, err)
		}
		s.unchanged(r)
	}},
	{"the error of a caller that has left wraps why it left", func(s *suite) {
		r := s.create()
		ctx, cancel := context.WithCancelCause(s.Context())
		cause := errors.New("the caller's reason")
		cancel(cause)
		parallel(64, func(int) { // a store may let some of so many wait
			for name, err := range s.everyMethod(ctx, r) {
				if !errors.Is(err, cause) {
					s.Errorf("%s: %v does not wrap context.Cause", name, err)
				}
			}
		})
	}},
}

// everyMethod calls them all and returns their errors.
func (s *suite) everyMethod(ctx context.Context, r driver.Row) map[string]error {
	renewed := s.next(r.Ref).Verifier
	errs := map[string]error{"End": s.store.End(ctx, driver.EndRequest{ID: r.ID})}
	_, errs["Load"] = s.store.Load(ctx, r.Ref)
	_, errs["Create"] = s.store.Create(ctx, driver.CreateRequest{Ref: s.ref(), Data: r.Data, Life: life})
	_, errs["Save"] = s.store.Save(ctx, driver.SaveRequest{From: r.Ref, Version: r.Version, Verifier: r.Verifier, Data: r.Data, Life: saving})
	_, errs["Save with a new verifier"] = s.store.Save(ctx, driver.SaveRequest{From: r.Ref, Version: r.Version, Verifier: renewed, Data: r.Data, Life: life})
	_, errs["Touch"] = s.store.Touch(ctx, driver.TouchRequest{Ref: r.Ref, Life: saving})
	_, errs["EndAll of a user"] = s.store.EndAll(ctx, driver.EndAllRequest{User: "u", Limit: 1})
	_, errs["EndAll"] = s.store.EndAll(ctx, driver.EndAllRequest{All: true, Limit: 1})
	_, errs["List"] = s.store.List(ctx, driver.ListRequest{All: true, Limit: 1})
	_, errs["List of an ID"] = s.store.List(ctx, driver.ListRequest{ID: r.ID, Limit: 1})
	_, errs["Stats"] = s.store.Stats(ctx)
	_, errs["Reap"] = s.store.Reap(ctx, driver.ReapRequest{Limit: 1})
	return errs
}

func (s *suite) saysNothingOfTheRow(name string, err error) {
	s.Helper()
	if err == nil {
		s.Errorf("%s: no error", name)
	}
	for _, sentinel := range []error{driver.ErrNotFound, driver.ErrConflict, driver.ErrExists} {
		if errors.Is(err, sentinel) {
			s.Errorf("%s: %v wraps %v, which says something about the row", name, err, sentinel)
		}
	}
}
