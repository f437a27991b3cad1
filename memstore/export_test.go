package memstore

import (
	"sync/atomic"
	"time"
)

// KeepTime gives the store a clock that goes on by itself, as a database's does, also where
// package time has another one. It moves by a microsecond a call.
func (s *Store) KeepTime() *Store {
	start, calls := time.Now(), atomic.Int64{}
	s.Store.(*memory).now = func() time.Time { return start.Add(time.Duration(calls.Add(1)) * time.Microsecond) }
	return s
}

// Age makes all rows and marks older, as if d had passed.
func (s *Store) Age(d time.Duration) {
	m := s.Store.(*memory)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.rows {
		for _, t := range []*time.Time{
			&row.CreatedAt, &row.LastSeenAt, &row.AuthenticatedAt, &row.expires, &row.absolute,
			&row.renewed, &row.previousUntil, &row.ended, &row.keepUntil,
		} {
			age(t, d)
		}
	}
	for name, marks := range m.marks {
		for i := range marks.latest {
			age(&marks.latest[i].set, d)
		}
		age(&marks.keepUntil, d)
		m.marks[name] = marks
	}
}

func age(t *time.Time, d time.Duration) {
	if !t.IsZero() {
		*t = t.Add(-d)
	}
}
