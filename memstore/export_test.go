package memstore

import "time"

// Age makes all rows older, as if d had passed.
func (s *Store) Age(d time.Duration) {
	m := s.Store.(*memory)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.rows {
		row.CreatedAt, row.absolute, row.expires = row.CreatedAt.Add(-d), row.absolute.Add(-d), row.expires.Add(-d)
		if !row.AuthenticatedAt.IsZero() {
			row.AuthenticatedAt = row.AuthenticatedAt.Add(-d)
		}
	}
}
