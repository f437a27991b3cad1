package storetest

import (
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A store may leave a dead row for two hours, so most dead rows here died three hours ago.
var reapRules = []rule{
	{"the reaper deletes dead rows, up to a limit", func(s *suite) {
		for range 5 {
			s.create()
		}
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
		var living []driver.Row
		for range 5 {
			living = append(living, s.create())
		}
		s.age(idle - time.Minute)
		for _, r := range living {
			s.touch(r.Ref, driver.Life{Idle: 10 * time.Hour})
		}
		s.age(4 * time.Hour) // the life that they were created with is over, however it is rounded
		for range 3 {
			s.createAs("", driver.Life{Idle: time.Minute, Absolute: absolute})
		}
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
