package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// parallel runs f n times at once and waits.
func parallel(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

var parallelTests = map[string]func(*testing.T, *suite){
	"of many saves of one version exactly one wins": func(t *testing.T, s *suite) {
		r := s.create()
		for range 10 {
			var won, lost atomic.Int32
			parallel(16, func(i int) {
				r := r
				r.Data = fmt.Appendf(nil, `{"winner":%d,"of":%d}`, i, r.Version)
				_, err := s.store.Save(t.Context(), r, saving)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, sessions.ErrConflict):
					lost.Add(1)
				default:
					t.Errorf("save: %v", err)
				}
			})
			if won.Load() != 1 || lost.Load() != 15 {
				t.Fatalf("%d won and %d lost, want 1 and 15", won.Load(), lost.Load())
			}
			r.Version = s.load(r.Key).Version
		}
	},
	"of many creates of one key exactly one wins": func(t *testing.T, s *suite) {
		for range 5 {
			key := s.Record().Key
			var won atomic.Int32
			parallel(16, func(int) {
				r := s.Record()
				r.Key = key
				err := s.store.Create(t.Context(), r, ttl)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, sessions.ErrExists) {
					t.Errorf("create: %v", err)
				}
			})
			if won.Load() != 1 {
				t.Fatalf("%d won", won.Load())
			}
		}
	},
	"a delete ends the row whatever writes at the same time": func(t *testing.T, s *suite) {
		for range 20 {
			r := s.create()
			parallel(9, func(i int) {
				if i == 8 {
					if err := s.store.Delete(t.Context(), r.Key); err != nil {
						t.Errorf("delete: %v", err)
					}
					return
				}
				r := r
				r.Data = fmt.Appendf(nil, `{"i":%d}`, i)
				_, err := s.store.Save(t.Context(), r, saving)
				if err != nil && !errors.Is(err, sessions.ErrNotFound) && !errors.Is(err, sessions.ErrConflict) {
					t.Errorf("save: %v", err)
				}
				if err := s.store.Touch(t.Context(), r.Key, saving); err != nil {
					t.Errorf("touch: %v", err)
				}
			})
			s.gone(r.Key)
			s.count(0)
		}
	},
	"the end of all sessions is the end of those that renew meanwhile": func(t *testing.T, s *suite) {
		everyone := func() {
			for {
				n, err := s.store.DeleteAll(t.Context(), 7)
				if err != nil {
					t.Errorf("delete all: %v", err)
				}
				if n < 7 {
					return
				}
			}
		}
		alice := func() {
			if _, err := s.store.DeleteUser(t.Context(), "alice", nil); err != nil {
				t.Errorf("delete by user: %v", err)
			}
		}
		for i := range 6 {
			renewing := make([]sessions.Record, 8)
			for i := range renewing {
				renewing[i] = s.createAs("alice", ttl)
			}
			leaving := make([]sessions.Record, 16)
			for i := range leaving {
				leaving[i] = s.createAs("alice", ttl)
			}
			end := []func(){everyone, alice}[i%2]
			var ended atomic.Bool
			parallel(len(renewing)+2, func(i int) {
				switch i {
				case len(renewing):
					end()
					ended.Store(true)
				case len(renewing) + 1:
					for _, r := range leaving {
						if err := s.store.Delete(t.Context(), r.Key); err != nil {
							t.Errorf("delete: %v", err)
						}
					}
				default:
					renew(s, renewing[i], &ended)
				}
			})
			s.count(0)
			if t.Failed() {
				return
			}
		}
	},
	"two reapers share the work": func(t *testing.T, s *suite) {
		const rows = 60
		for range rows {
			s.create()
		}
		s.age(idle + 3*3600e9)
		live := s.create()
		var total atomic.Int64
		parallel(4, func(int) {
			for {
				n, more, err := s.store.DeleteExpired(t.Context(), 7)
				if err != nil {
					t.Errorf("delete expired: %v", err)
				}
				if total.Add(int64(n)); !more {
					return
				}
			}
		})
		total.Add(int64(expired(s, rows))) // what one reaper held when the others looked
		if total.Load() != rows {
			t.Errorf("deleted %d rows in all, want %d, each once", total.Load(), rows)
		}
		s.load(live.Key)
	},
	"the reaper and traffic do not stop each other": func(t *testing.T, s *suite) {
		var live []sessions.Record
		for range 8 {
			live = append(live, s.createAs("alice", ttl))
		}
		for range 40 {
			s.createAs("bob", sessions.TTL{Idle: idle / 2, Absolute: absolute})
		}
		s.age(idle/2 + time.Second)
		parallel(len(live)+2, func(i int) {
			if i >= len(live) {
				for range 10 {
					if _, _, err := s.store.DeleteExpired(t.Context(), 5); err != nil {
						t.Errorf("delete expired: %v", err)
					}
				}
				return
			}
			for range 10 {
				v, err := s.store.Save(t.Context(), live[i], saving)
				if err != nil {
					t.Errorf("save: %v", err)
					return
				}
				live[i].Version = v
				if err := s.store.Touch(t.Context(), live[i].Key, saving); err != nil {
					t.Errorf("touch: %v", err)
				}
			}
		})
		s.count(len(live))
	},
}

// renew moves a session from key to key until it is gone, or should be.
func renew(s *suite, r sessions.Record, ended *atomic.Bool) {
	for i, last := 0, false; i < 50 && !last; i++ {
		last = ended.Load()
		to := s.Record()
		to.User, to.Version = r.User, r.Version
		v, err := s.store.Rekey(s.Context(), r.Key, to, ttl)
		if errors.Is(err, sessions.ErrNotFound) {
			return
		}
		if err == nil { // or the database gave up on this one, among so many
			r, r.Version = to, v
		}
	}
}
