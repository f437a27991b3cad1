package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// parallel runs f n times at once and waits.
func parallel(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// lost reports whether a save may have this error while others write the row too.
func lost(err error) bool {
	return errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict)
}

// endEach calls EndAll until there is no more.
func (s *suite) endEach(req driver.EndAllRequest) {
	req.Limit = 7
	for {
		result, err := s.store.EndAll(s.Context(), req)
		s.noError("end all", err)
		if !result.More {
			return
		}
		req.After = result.Last
	}
}

var parallelRules = []rule{
	{"of many saves of one version exactly one wins", func(s *suite) {
		r := s.create()
		for round := range 12 {
			var won, conflicts atomic.Int32
			var winner atomic.Pointer[driver.Row]
			parallel(16, func(i int) {
				r, to := r, r.Ref
				r.Data = fmt.Appendf(nil, `{"round":%d,"winner":%d}`, round, i)
				if round%3 == 2 && i%2 == 0 { // half of them with a new verifier
					to = s.next(r.Ref)
				}
				r, err := s.tryRenew(r, to, saving)
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(&r)
				case errors.Is(err, driver.ErrConflict), round%3 == 2 && errors.Is(err, driver.ErrNotFound):
					conflicts.Add(1)
				default:
					s.Errorf("save: %v", err)
				}
			})
			if won.Load() != 1 || conflicts.Load() != 15 {
				s.Fatalf("%d won and %d lost, want 1 and 15", won.Load(), conflicts.Load())
			}
			r = *winner.Load()
			s.unchanged(r)
			s.count(1)
		}
	}},
	{"of many creates of one name exactly one wins", func(s *suite) {
		for range 5 {
			r := s.row()
			var won atomic.Pointer[driver.Row]
			parallel(16, func(i int) {
				r := r
				r.Data = fmt.Appendf(nil, `{"winner":%d}`, i)
				if r, err := s.tryCreate(r, life); err == nil {
					if !won.CompareAndSwap(nil, &r) {
						s.Error("a second one won")
					}
				} else if !errors.Is(err, driver.ErrExists) {
					s.Errorf("create: %v", err)
				}
			})
			if won.Load() == nil {
				s.Fatal("none won")
			}
			s.unchanged(*won.Load())
		}
	}},
	{"end ends the row, whatever is written at the same time", func(s *suite) {
		for i := 0; i < 20 && !s.Failed(); i++ {
			r := s.create()
			var ended atomic.Bool
			parallel(9, func(i int) {
				if i == 8 {
					s.noError("end", s.tryEnd(r.ID))
					ended.Store(true)
					return
				}
				r := r
				for j, last := 0, false; j < 50 && !last; j++ {
					last = ended.Load()
					r.Data = fmt.Appendf(nil, `{"i":%d,"j":%d}`, i, j)
					var err error
					r, err = s.trySave(r, saving)
					if err != nil && !lost(err) || last && !errors.Is(err, driver.ErrNotFound) {
						s.Errorf("save, after the end %t: %v", last, err)
					}
					if now, loadErr := s.store.Load(s.Context(), r.Ref); err != nil && loadErr == nil {
						r.Version = now.Version
					}
					err = s.tryTouch(r.Ref, saving)
					if err != nil && !errors.Is(err, driver.ErrNotFound) || last && err == nil {
						s.Errorf("touch, after the end %t: %v", last, err)
					}
				}
			})
			s.gone(r.Ref)
			s.count(0)
		}
	}},
	{"end all ends rows that get new verifiers at the same time", func(s *suite) {
		for _, req := range []driver.EndAllRequest{{All: true}, {User: "alice"}, {All: true}, {User: "alice"}, {All: true}, {User: "alice"}} {
			rows := s.createMany(24, "alice", life)
			renewing, leaving := rows[:8], rows[8:]
			var ended atomic.Bool
			parallel(len(renewing)+2, func(i int) {
				switch i {
				case len(renewing):
					s.endEach(req)
					ended.Store(true)
				case len(renewing) + 1:
					for _, r := range leaving {
						if err := s.tryEnd(r.ID); err != nil && !errors.Is(err, driver.ErrNotFound) {
							s.Errorf("end: %v", err)
						}
					}
				default:
					r := renewing[i]
					for j, last := 0, false; j < 50 && !last; j++ {
						last = ended.Load()
						var err error
						r, err = s.tryRenew(r, s.next(r.Ref), life)
						if errors.Is(err, driver.ErrNotFound) {
							return
						} // any other: the database gave up on this one, among so many
					}
				}
			})
			s.count(0)
			if s.Failed() {
				return
			}
		}
	}},
	{"two reapers share the work", func(s *suite) {
		const rows = 60
		s.createMany(rows, "", life)
		s.age(idle + 3*time.Hour)
		live := s.create()
		var total atomic.Int64
		parallel(4, func(int) {
			for {
				result, err := s.store.Reap(s.Context(), driver.ReapRequest{Limit: 7})
				s.noError("reap", err)
				if total.Add(int64(result.Deleted)); !result.More {
					return
				}
			}
		})
		total.Add(int64(s.reap(rows))) // rows that one reaper had locked when the others looked
		if total.Load() != rows {
			s.Errorf("deleted %d rows in all, want %d, each once", total.Load(), rows)
		}
		s.unchanged(live)
	}},
	{"the reaper and requests do not hold each other up", func(s *suite) {
		live := s.createMany(8, "alice", life)
		s.createMany(40, "bob", driver.Life{Idle: idle / 2, Absolute: absolute})
		s.age(idle/2 + time.Second)
		parallel(len(live)+2, func(i int) {
			if i >= len(live) {
				for range 10 {
					_, err := s.store.Reap(s.Context(), driver.ReapRequest{Limit: 5})
					s.noError("reap", err)
				}
				return
			}
			for range 10 {
				for _, to := range []driver.Ref{live[i].Ref, s.next(live[i].Ref)} {
					var err error
					if live[i], err = s.tryRenew(live[i], to, saving); err != nil {
						s.Errorf("save: %v", err)
						return
					}
					s.noError("touch", s.tryTouch(to, saving))
				}
			}
		})
		s.unchanged(live...)
		s.count(len(live))
	}},
}
