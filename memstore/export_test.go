package memstore

import "time"

// Age makes all rows older, as if d had passed.
func (s *Store) Age(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.rows {
		row.CreatedAt, row.absolute, row.expires = row.CreatedAt.Add(-d), row.absolute.Add(-d), row.expires.Add(-d)
		if !row.AuthenticatedAt.IsZero() {
			row.AuthenticatedAt = row.AuthenticatedAt.Add(-d)
		}
	}
}
