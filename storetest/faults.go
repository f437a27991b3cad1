package storetest

import (
	"errors"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// most is more exchanges with a database than any call takes.
const most = 100

// faulty runs a test with each fault at the first exchange, then at the second, and so on,
// until there are no more.
func (s *suite) faulty(test func(fail func(call func() error) error)) {
	s.Helper()
	if s.Fail == nil {
		s.Log("not run: the harness has no Fail")
		return
	}
	for _, fault := range []Fault{LostStatement, LostAnswer} {
		for n := 1; n <= most; n++ {
			happened := false
			test(func(call func() error) error {
				s.Helper()
				check := s.Fail(s.T, s.store, fault, n)
				err := call()
				if happened = check(); !happened && err != nil {
					s.Fatalf("without a fault: %v", err)
				}
				s.unknown(err)
				return err
			})
			if s.Failed() {
				s.Fatalf("with %v, exchange %d", fault, n)
			}
			if !happened {
				break
			}
			if n == most {
				s.Fatal("there is no end of exchanges")
			}
		}
	}
}

// unknown checks that an error after a fault says nothing about the row, because the store
// can't know it.
func (s *suite) unknown(err error) {
	s.Helper()
	for _, sentinel := range []error{driver.ErrNotFound, driver.ErrConflict, driver.ErrExists} {
		if errors.Is(err, sentinel) {
			s.Errorf("%v wraps %v, although the outcome is not known", err, sentinel)
		}
	}
}

// either checks that the row is as a call that returned err left it: as it was, or as it
// should be, and that if err is nil.
func (s *suite) either(err error, was, is driver.Row) {
	s.Helper()
	rows := s.list(driver.ListRequest{ID: is.ID, Limit: 1})
	if len(rows) == 0 && s.Ref != nil { // another verifier makes another ID
		rows = s.list(driver.ListRequest{ID: was.ID, Limit: 1})
	}
	if len(rows) != 1 {
		s.Fatalf("after %v there are %d rows", err, len(rows))
	}
	got := rows[0]
	done := got.Ref == is.Ref && text(got) == text(is)
	if !done && (err == nil || got.Ref != was.Ref || text(got) != text(was)) {
		s.Errorf("after %v the row has the data %s, want %s", err, got.Data, is.Data)
	}
	if err == nil && got.Version != is.Version {
		s.Errorf("the row has version %d, and the call returned %d", got.Version, is.Version)
	}
	s.count(1)
	s.must(s.tryEnd(got.ID)) // the store works again
}

// faultRules are about connections that break.
var faultRules = []rule{
	{"faults/load finds the row or says that it can't tell", func(s *suite) {
		r := s.createAs("alice", life)
		s.faulty(func(fail func(func() error) error) {
			_ = fail(func() error { _, err := s.store.Load(s.Context(), r.Ref); return err })
			s.unchanged(r)
		})
	}},
	{"faults/create makes the row or none", func(s *suite) {
		s.faulty(func(fail func(func() error) error) {
			r := s.row()
			err := fail(func() (err error) { r, err = s.tryCreate(r, life); return err })
			if rows := s.list(driver.ListRequest{ID: r.ID, Limit: 1}); err != nil && len(rows) == 0 {
				s.count(0)
				return
			}
			s.either(err, r, r)
		})
	}},
	{"faults/save changes the row or leaves it", func(s *suite) {
		s.faulty(func(fail func(func() error) error) {
			was := s.create()
			is := was
			is.Data = []byte(`{"b":2}`)
			err := fail(func() (err error) { is, err = s.trySave(is, saving); return err })
			s.either(err, was, is)
		})
	}},
	{"faults/save gives the row a new verifier or leaves it", func(s *suite) {
		s.faulty(func(fail func(func() error) error) {
			was := s.create()
			is, to := was, s.next(was.Ref)
			is.Data = []byte(`{"b":2}`)
			err := fail(func() (err error) { is, err = s.tryRenew(is, to, saving); return err })
			is.Ref = to
			s.either(err, was, is)
		})
	}},
	{"faults/touch leaves the row alive", func(s *suite) {
		r := s.create()
		s.faulty(func(fail func(func() error) error) {
			_ = fail(func() error { return s.tryTouch(r.Ref, saving) })
			s.unchanged(r)
		})
	}},
	{"faults/end ends the row if it says so", func(s *suite) {
		s.faulty(func(fail func(func() error) error) {
			r := s.createAs("alice", life)
			if err := fail(func() error { return s.tryEndOf("alice", r.ID) }); err != nil {
				if err = s.tryEnd(r.ID); !errors.Is(err, driver.ErrNotFound) {
					s.must(err)
				}
			}
			s.gone(r.Ref)
			s.count(0)
		})
	}},
	{"faults/end all ends the rows if it says so", func(s *suite) {
		s.faulty(func(fail func(func() error) error) {
			s.createMany(4, "alice", life)
			bob := s.createAs("bob", life)
			req := driver.EndAllRequest{User: "alice", Limit: 10}
			if err := fail(func() error { _, err := s.store.EndAll(s.Context(), req); return err }); err != nil {
				s.endAll(req)
			}
			s.listsNone(driver.ListRequest{User: "alice", Limit: 10})
			s.unchanged(bob)
			s.must(s.tryEnd(bob.ID))
		})
	}},
	{"faults/list has all rows or says that it can't tell", func(s *suite) {
		rows := s.createMany(4, "alice", life)
		s.faulty(func(fail func(func() error) error) {
			var got []driver.Row
			err := fail(func() (err error) {
				got, err = s.store.List(s.Context(), driver.ListRequest{User: "alice", Limit: 10})
				return err
			})
			if err == nil && len(got) != len(rows) {
				s.Errorf("listed %d rows, want %d", len(got), len(rows))
			}
		})
	}},
	{"faults/endings are told or not known", func(s *suite) {
		live, missing := s.create(), s.ref()
		s.faulty(func(fail func(func() error) error) {
			var got []driver.Ending
			err := fail(func() (err error) {
				got, err = s.store.Endings(s.Context(), []driver.Ref{live.Ref, missing})
				return err
			})
			if err == nil && (len(got) != 1 || got[0].ID != missing.ID || !got[0].Gone) {
				s.Errorf("the endings %+v, want one of a row that is not there", got)
			}
		})
	}},
	{"faults/the reaper deletes dead rows alone", func(s *suite) {
		s.createMany(3, "", life)
		s.age(idle + 3*time.Hour)
		live := s.createAs("", driver.Life{Idle: 10_000 * time.Hour, Absolute: 10_000 * time.Hour})
		s.faulty(func(fail func(func() error) error) {
			_ = fail(func() error { _, err := s.store.Reap(s.Context(), driver.ReapRequest{Limit: 10}); return err })
			s.unchanged(live)
			s.createMany(1, "", driver.Life{Idle: time.Hour, Absolute: time.Hour})
			s.age(4 * time.Hour)
		})
		s.reap(10)
		s.unchanged(live)
		s.count(1)
	}},
}
