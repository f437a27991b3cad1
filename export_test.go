package sessions

import "time"

// Age makes all rows older, as if d had passed.
func (m *MemoryStore) Age(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.rows {
		row.CreatedAt, row.absolute, row.expires = row.CreatedAt.Add(-d), row.absolute.Add(-d), row.expires.Add(-d)
		if !row.AuthenticatedAt.IsZero() {
			row.AuthenticatedAt = row.AuthenticatedAt.Add(-d)
		}
	}
}
