package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// again returns the view of another process, or nil if there can't be one.
func (s *suite) again(t *testing.T) *suite {
	t.Helper()
	if s.Again == nil {
		t.Log("not run: the harness has no Again")
		return nil
	}
	return &suite{T: t, Harness: s.Harness, store: s.Again(t, s.store)}
}

// processRules are about two processes that use the same rows, neither of which may rely on
// what it remembers.
var processRules = []rule{
	{"processes/what one does the other sees at once", func(s *suite) {
		other := s.again(s.T)
		if other == nil {
			return
		}
		ends := []func(r driver.Row){
			func(r driver.Row) { other.must(other.tryEndOf("alice", r.ID)) },
			func(driver.Row) { other.ends(1, driver.EndAllRequest{User: "alice", Limit: 10}) },
			func(driver.Row) { other.ends(1, driver.EndAllRequest{All: true, Limit: 10}) },
		}
		for _, end := range ends {
			r := s.createAs("alice", life)
			s.unchanged(r)
			for range 3 {
				other.unchanged(r)
				r.Data = []byte(`{"b":2}`)
				r = other.save(r, saving)
				s.unchanged(r)
				r.Data = []byte(`{"c":3}`)
				old := s.save(r, saving)
				r = other.renew(old, saving)
				s.gone(old.Ref)
				s.unchanged(r)
				stale := old
				stale.Version = r.Version
				s.refused(driver.ErrNotFound)(s.trySave(stale, saving))
			}
			end(r)
			s.out(r, s.next(r.Ref))
			s.count(0)
			s.listsNone(driver.ListRequest{User: "alice", Limit: 10})
		}
	}},
	{"processes/both have the same times", func(s *suite) {
		other := s.again(s.T)
		if other == nil {
			return
		}
		for _, pair := range [][2]*suite{{s, other}, {other, s}} {
			writer, reader := pair[0], pair[1]
			r := writer.createAs("alice", life)
			r = writer.authenticate(r, r.Ref, saving)
			a, b := writer.load(r.Ref), reader.load(r.Ref)
			if !a.CreatedAt.Equal(b.CreatedAt) || !a.LastSeenAt.Equal(b.LastSeenAt) || !a.AuthenticatedAt.Equal(b.AuthenticatedAt) {
				s.Errorf("one has the times %v, %v and %v, the other %v, %v and %v",
					a.CreatedAt, a.LastSeenAt, a.AuthenticatedAt, b.CreatedAt, b.LastSeenAt, b.AuthenticatedAt)
			}
			reader.lives(r.Ref, idle, a.AbsoluteIn)
			reader.touch(r.Ref, driver.Life{Idle: 2 * idle})
			writer.lives(r.Ref, 2*idle, a.AbsoluteIn)
			reader.save(r, saving)
			writer.lives(r.Ref, idle, a.AbsoluteIn)
			expired := writer.createAs("alice", driver.Life{Idle: time.Minute, Absolute: absolute})
			s.age(time.Minute + time.Second)
			reader.gone(expired.Ref)
			reader.must(reader.tryEnd(r.ID))
			writer.gone(r.Ref)
		}
	}},
	{"processes/of many saves of one version exactly one wins", func(s *suite) {
		other := s.again(s.T)
		if other == nil {
			return
		}
		both, r := [2]*suite{s, other}, s.create()
		for round := range 10 {
			var winner atomic.Pointer[driver.Row]
			parallel(8, func(i int) {
				r := r
				r.Data = fmt.Appendf(nil, `{"round":%d,"winner":%d}`, round, i)
				r, err := both[i%2].trySave(r, saving)
				if err == nil && !winner.CompareAndSwap(nil, &r) {
					s.Error("a second one won")
				}
				if err != nil && !errors.Is(err, driver.ErrConflict) {
					s.Errorf("save: %v", err)
				}
			})
			if winner.Load() == nil {
				s.Fatal("none won")
			}
			r = *winner.Load()
			both[round%2].unchanged(r)
		}
	}},
	{"processes/end through one wins over writes through the other", func(s *suite) {
		other := s.again(s.T)
		if other == nil {
			return
		}
		for i := 0; i < 10 && !s.Failed(); i++ {
			r, id := s.createAs("alice", life), driver.ID("")
			id = r.ID
			var writing, ended atomic.Bool
			parallel(2, func(j int) {
				if j == 0 {
					for !writing.Load() {
						time.Sleep(100 * time.Microsecond)
					}
					if s.Ref == nil {
						s.noError("end", s.tryEnd(id))
					} else {
						s.endEach(driver.EndAllRequest{User: "alice"}) // the ID changes with the verifier
					}
					ended.Store(true)
					return
				}
				for last := false; !last; {
					last = ended.Load()
					next, err := other.trySave(r, saving)
					if err == nil {
						r = next
					}
					touched := other.tryTouch(r.Ref, saving)
					if last && (!errors.Is(err, driver.ErrNotFound) || !errors.Is(touched, driver.ErrNotFound)) {
						s.Errorf("after the end save says %v and touch %v", err, touched)
					}
					writing.Store(true)
				}
			})
			s.gone(r.Ref)
			other.gone(r.Ref)
			other.count(0)
		}
	}},
}

// clockRules are about a process whose clock is wrong.
var clockRules = []rule{
	{"the application's clock decides nothing/behind", func(s *suite) { s.wrongClock(0) }},
	{"the application's clock decides nothing/ahead", func(s *suite) { s.wrongClock(100 * 365 * 24 * time.Hour) }},
}

// wrongClock lets a process whose clock says the year 2000, or so much later, work on rows
// that one with the right clock made, and the other way round.
func (s *suite) wrongClock(later time.Duration) {
	s.Helper()
	off := func(f func(other *suite)) {
		s.Helper()
		synctest.Test(s.T, func(t *testing.T) {
			time.Sleep(later)
			if other := s.again(t); other != nil {
				f(other)
			}
		})
	}
	if s.Again == nil {
		s.Log("not run: the harness has no Again")
		return
	}
	ours, touched, saved, ended := s.createAs("alice", life), s.createAs("alice", life), s.createAs("alice", life), s.createAs("bob", life)
	s.age(time.Hour)
	limit := s.load(ours.Ref).AbsoluteIn
	var theirs driver.Row
	var theirLimit time.Duration
	off(func(other *suite) {
		for _, r := range []driver.Row{ours, touched, saved} {
			other.lives(r.Ref, idle-time.Hour, limit)
		}
		other.alive(ours)
		theirs = other.createAs("alice", life)
		theirLimit = other.load(theirs.Ref).AbsoluteIn
		other.lives(theirs.Ref, idle, theirLimit)
		other.touch(touched.Ref, driver.Life{Idle: idle, Throttle: time.Minute})
		saved = other.renew(saved, saving)
		other.end(ended.ID, time.Hour)
		other.reaps(0, 10)
		other.count(4)
	})
	s.gone(ended.Ref)
	s.lives(ours.Ref, idle-time.Hour, limit)
	s.lives(theirs.Ref, idle, theirLimit)
	s.lives(touched.Ref, idle, limit)
	s.lives(saved.Ref, idle, limit)
	if at := s.load(theirs.Ref).CreatedAt; !at.IsZero() && !near(time.Since(at), 0) {
		s.Errorf("created at %v, by the clock of the application", at)
	}
	s.age(idle + time.Second)
	late := s.createAs("alice", life)
	off(func(other *suite) {
		for _, r := range []driver.Row{ours, theirs, touched, saved} {
			other.out(r, other.next(r.Ref))
		}
		other.unchanged(late)
		other.ends(1, driver.EndAllRequest{User: "alice", Limit: 10})
	})
	s.gone(late.Ref)
	s.count(0)
}
