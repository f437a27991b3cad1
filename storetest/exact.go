package storetest

import (
	"fmt"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// exactRules are what a store may lack if its table was made for something else and has
// no columns for it.
var exactRules = []rule{
	{"saving the same data again changes the version", func(s *suite) {
		r := s.create()
		if again := s.save(r, saving); again.Version == r.Version {
			s.Errorf("version %d before and after a save", r.Version)
		} else {
			s.unchanged(again)
		}
	}},
	{"no two states have the same version", func(s *suite) {
		seen := map[driver.Version]string{}
		see := func(r driver.Row, what string) {
			if before := seen[r.Version]; before != "" || r.Version == 0 {
				s.Fatalf("%s has version %d, as %q had", what, r.Version, before)
			}
			seen[r.Version] = what
		}
		for i := range 10 {
			r := s.create()
			see(r, fmt.Sprintf("row %d", i))
			for j := range 3 {
				r = s.save(r, saving)
				see(r, fmt.Sprintf("row %d, save %d", i, j))
				r = s.renew(r, life)
				see(r, fmt.Sprintf("row %d, verifier %d", i, j))
			}
			s.touch(r.Ref, saving)
			s.unchanged(r)
		}
	}},
	{"a version is not a counter, so a lost write can be told from another's", func(s *suite) {
		r := s.create()
		seen := map[driver.Version]bool{}
		for range 10 {
			was := r.Version
			if r = s.save(r, saving); seen[r.Version-was] {
				s.Fatalf("two saves moved the version by %d", r.Version-was)
			}
			seen[r.Version-was] = true
		}
	}},
	{"an expiry is exact", func(s *suite) {
		r := s.create()
		if got := s.load(r.Ref).ExpiresIn; got > idle {
			s.Errorf("expires in %v, want no more than the %v that were asked for", got, idle)
		}
		s.age(idle)
		s.gone(r.Ref)
		s.count(0)
		r = s.createAs("", driver.Life{Idle: 48 * time.Hour, Absolute: absolute})
		s.age(absolute)
		s.gone(r.Ref)
		s.count(0)
	}},
	{"the absolute limit does not move", func(s *suite) {
		r := s.create()
		s.age(time.Hour)
		s.lives(r.Ref, idle-time.Hour, absolute-time.Hour)
		s.touch(r.Ref, saving)
		s.lives(r.Ref, idle, absolute-time.Hour)
		r = s.save(r, saving)
		s.lives(r.Ref, idle, absolute-time.Hour)
		r = s.renew(r, saving)
		s.lives(r.Ref, idle, absolute-time.Hour)
	}},
	{"save stops at the absolute limit", func(s *suite) {
		r := s.create()
		s.age(time.Hour)
		for _, save := range []func(driver.Row, driver.Life) driver.Row{s.save, s.renew} {
			r = save(r, driver.Life{Idle: 48 * time.Hour})
			s.lives(r.Ref, absolute-time.Hour, absolute-time.Hour)
		}
	}},
	{"touch stops at the absolute limit", func(s *suite) {
		r := s.createAs("", driver.Life{Idle: 20 * time.Hour, Absolute: absolute})
		s.age(19 * time.Hour)
		s.touch(r.Ref, driver.Life{Idle: 20 * time.Hour})
		s.lives(r.Ref, 5*time.Hour, 5*time.Hour)
	}},
	{"save restarts the absolute limit when it is given one", func(s *suite) {
		r := s.create()
		for _, save := range []func(driver.Row, driver.Life) driver.Row{s.save, s.renew} {
			s.age(time.Hour)
			r = save(r, driver.Life{Idle: idle, Absolute: 3 * time.Hour})
			s.lives(r.Ref, idle, 3*time.Hour)
			s.age(time.Hour)
			r = save(r, driver.Life{Idle: 20 * time.Hour, Absolute: 10 * time.Hour})
			s.lives(r.Ref, 10*time.Hour, 10*time.Hour)
		}
	}},
	{"the creation time does not change", func(s *suite) {
		r := s.create()
		before := s.load(r.Ref).CreatedAt
		if !near(time.Since(before), 0) {
			s.Errorf("created at %v, which is %v ago", before, time.Since(before))
		}
		r = s.save(r, saving)
		s.touch(r.Ref, saving)
		r = s.renew(r, saving)
		r = s.save(r, life)
		r = s.renew(r, life)
		if after := s.load(r.Ref).CreatedAt; !after.Equal(before) {
			s.Errorf("created at %v, then %v", before, after)
		}
	}},
	{"the authentication time is set by create and save alone", func(s *suite) {
		check := func(doing string, r driver.Row, ago time.Duration) {
			s.Helper()
			at := s.load(r.Ref).AuthenticatedAt
			if ago < 0 && !at.IsZero() || ago >= 0 && !near(time.Since(at), ago) {
				s.Errorf("after %s: authenticated at %v, want %v ago (-1ns: never)", doing, at, ago)
			}
		}
		for _, life := range []driver.Life{saving, life} {
			r := s.create()
			check("create", r, -1)
			r = s.renew(s.save(r, life), life)
			check("save", r, -1)
			r = s.authenticate(r, r.Ref, life)
			check("authentication", r, 0)
			s.age(time.Hour)
			s.touch(r.Ref, life)
			r = s.renew(s.save(r, life), life)
			check("an hour", r, time.Hour)
			r = s.authenticate(r, s.next(r.Ref), life)
			check("authentication with a new verifier", r, 0)
		}
		r := s.row()
		_, err := s.store.Create(s.Context(), driver.CreateRequest{Ref: r.Ref, Data: r.Data, Life: life, Authenticated: true})
		s.must(err)
		check("create with authentication", r, 0)
	}},
	{"save replaces the label", func(s *suite) {
		r := s.createLabelled("alice", "tenant")
		s.unchanged(r)
		for _, label := range []string{"other", "", "again", "again"} {
			r.Label = label
			r = s.save(r, saving)
			s.unchanged(r)
			r = s.renew(r, life)
			s.unchanged(r)
		}
		s.listsNone(driver.ListRequest{Label: "tenant", Limit: 10})
	}},
	{"labels are compared byte by byte", func(s *suite) {
		for i, label := range names {
			s.createLabelled(names[(i+1)%len(names)], label) // no user finds a label
		}
		for _, label := range names {
			if r := s.listOne(driver.ListRequest{Label: label, Limit: 10}); r.Label != label {
				s.Errorf("list of %q has a row of %q", label, r.Label)
			}
		}
		for i, label := range names {
			s.ends(1, driver.EndAllRequest{Label: label, Limit: 10})
			s.count(len(names) - i - 1)
		}
	}},
	{"list and end by label go in pages", func(s *suite) {
		for i := range 10 {
			s.createLabelled("alice", []string{"tenant", "other"}[i%2])
		}
		ids := s.pages(driver.ListRequest{Label: "tenant", Limit: 2})
		if len(ids) != 5 {
			s.Fatalf("listed %d rows, want 5", len(ids))
		}
		for _, want := range []int{3, 1, 0} {
			s.ends(want, driver.EndAllRequest{Label: "tenant", Limit: 3, Except: ids[2:3]})
		}
		s.count(6)
	}},
}
