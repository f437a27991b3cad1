package sessions

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// MemoryStore keeps sessions in this process: for tests and for trying things
// out. They are gone when the process ends and other processes do not see them. Make it with
// [NewMemoryStore]. It is safe for concurrent use.
type MemoryStore struct {
	limit int

	mu      sync.Mutex
	rows    map[RowKey]*memoryRow
	handles map[string]*memoryRow
	used    list.List // of *memoryRow, the one used last in front
}

type memoryRow struct {
	Record
	expires, absolute time.Time
	place             *list.Element
}

// DefaultMemoryLimit is how many sessions NewMemoryStore(0) keeps.
const DefaultMemoryLimit = 100_000

// NewMemoryStore returns an empty store for at most limit sessions (0 or less:
// [DefaultMemoryLimit]). When it is full, a new session takes the place of the one
// that was not used for the longest time, whose user is then logged out.
func NewMemoryStore(limit int) *MemoryStore {
	if limit <= 0 {
		limit = DefaultMemoryLimit
	}
	return &MemoryStore{limit: limit, rows: map[RowKey]*memoryRow{}, handles: map[string]*memoryRow{}}
}

var _ Store = (*MemoryStore)(nil)

// live returns the row and marks it as used.
func (m *MemoryStore) live(key RowKey) (*memoryRow, bool) {
	row, ok := m.rows[key]
	if !ok || row.dead(time.Now()) {
		return nil, false
	}
	m.used.MoveToFront(row.place)
	return row, true
}

func (r *memoryRow) dead(now time.Time) bool { return !r.expires.After(now) }

func (r *memoryRow) record(now time.Time) Record {
	rec := r.Record
	rec.Data = bytes.Clone(r.Data)
	rec.ExpiresIn, rec.AbsoluteIn = r.expires.Sub(now), r.absolute.Sub(now)
	return rec
}

func (m *MemoryStore) remove(row *memoryRow) {
	m.used.Remove(row.place)
	delete(m.rows, row.Key)
	delete(m.handles, row.Handle)
}

// begin takes the lock, as a database would refuse work for a caller that has left.
func (m *MemoryStore) begin(ctx context.Context, doing string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sessions: memory: %s: %w", doing, err)
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// Load implements [Store].
func (m *MemoryStore) Load(ctx context.Context, key RowKey) (Record, error) {
	unlock, err := m.begin(ctx, "load")
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	row, ok := m.live(key)
	if !ok {
		return Record{}, ErrNotFound
	}
	return row.record(time.Now()), nil
}

// Create implements [Store].
func (m *MemoryStore) Create(ctx context.Context, r Record, ttl TTL) error {
	unlock, err := m.begin(ctx, "create")
	if err != nil {
		return err
	}
	defer unlock()
	if m.rows[r.Key] != nil || m.handles[r.Handle] != nil {
		return ErrExists
	}
	if len(m.rows) >= m.limit {
		m.remove(m.used.Back().Value.(*memoryRow))
	}
	now := time.Now()
	row := &memoryRow{Record: r, absolute: now.Add(ttl.Absolute), expires: now.Add(min(ttl.Idle, ttl.Absolute))}
	row.Version, row.CreatedAt, row.Data = 1, now, bytes.Clone(r.Data)
	row.place = m.used.PushFront(row)
	m.rows[r.Key], m.handles[r.Handle] = row, row
	return nil
}

// Save implements [Store].
func (m *MemoryStore) Save(ctx context.Context, r Record, ttl TTL) (Version, error) {
	return m.Rekey(ctx, r.Key, Record{Key: r.Key, User: r.User, Data: r.Data, Version: r.Version}, TTL{Idle: ttl.Idle})
}

// Rekey implements [Store].
func (m *MemoryStore) Rekey(ctx context.Context, from RowKey, r Record, ttl TTL) (Version, error) {
	unlock, err := m.begin(ctx, "save")
	if err != nil {
		return 0, err
	}
	defer unlock()
	row, ok := m.live(from)
	if !ok {
		return 0, ErrNotFound
	}
	r.Handle = cmp.Or(r.Handle, row.Handle)
	switch other := m.handles[r.Handle]; {
	case row.Version != r.Version:
		return 0, ErrConflict
	case r.Key != from && m.rows[r.Key] != nil, other != nil && other != row:
		return 0, ErrExists
	}
	delete(m.rows, from)
	delete(m.handles, row.Handle)
	m.rows[r.Key], m.handles[r.Handle] = row, row
	now := time.Now()
	if ttl.Absolute > 0 {
		row.CreatedAt, row.absolute = now, now.Add(ttl.Absolute)
	}
	row.Key, row.Handle, row.User, row.Data = r.Key, r.Handle, r.User, bytes.Clone(r.Data)
	row.Version++
	row.expires = earlier(now.Add(ttl.Idle), row.absolute)
	return row.Version, nil
}

// Touch implements [Store].
func (m *MemoryStore) Touch(ctx context.Context, key RowKey, ttl TTL) error {
	unlock, err := m.begin(ctx, "touch")
	if err != nil {
		return err
	}
	defer unlock()
	if row, ok := m.live(key); ok {
		next := earlier(time.Now().Add(ttl.Idle), row.absolute)
		if next.Sub(row.expires) >= ttl.Throttle {
			row.expires = next
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Delete implements [Store].
func (m *MemoryStore) Delete(ctx context.Context, key RowKey) error {
	unlock, err := m.begin(ctx, "delete")
	if err != nil {
		return err
	}
	defer unlock()
	if row := m.rows[key]; row != nil {
		m.remove(row)
	}
	return nil
}

// DeleteHandle implements [Store].
func (m *MemoryStore) DeleteHandle(ctx context.Context, handle string) error {
	unlock, err := m.begin(ctx, "delete")
	if err != nil {
		return err
	}
	defer unlock()
	row := m.handles[handle]
	if row == nil || row.dead(time.Now()) {
		return ErrNotFound
	}
	m.remove(row)
	return nil
}

// DeleteUser implements [Store].
func (m *MemoryStore) DeleteUser(ctx context.Context, user string, except []string) (int, error) {
	return m.deleteWhere(ctx, "delete user", m.limit, func(r *memoryRow, _ time.Time) bool {
		return r.User == user && !slices.Contains(except, r.Handle)
	})
}

// DeleteAll implements [Store].
func (m *MemoryStore) DeleteAll(ctx context.Context, limit int) (int, error) {
	return m.deleteWhere(ctx, "delete all", limit, func(*memoryRow, time.Time) bool { return true })
}

// DeleteExpired implements [Store].
func (m *MemoryStore) DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error) {
	n, err := m.deleteWhere(ctx, "delete expired", limit, (*memoryRow).dead)
	return n, err == nil && n == limit, err
}

func (m *MemoryStore) deleteWhere(ctx context.Context, doing string, limit int, match func(*memoryRow, time.Time) bool) (int, error) {
	unlock, err := m.begin(ctx, doing)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n, now := 0, time.Now()
	for _, row := range m.rows {
		if n < limit && match(row, now) {
			m.remove(row)
			n++
		}
	}
	return n, nil
}

// CountExpired implements [Store].
func (m *MemoryStore) CountExpired(ctx context.Context) (int, error) {
	all, err := m.where(ctx, "count", (*memoryRow).dead)
	return len(all), err
}

// Count implements [Store].
func (m *MemoryStore) Count(ctx context.Context) (int, error) {
	all, err := m.where(ctx, "count", func(r *memoryRow, now time.Time) bool { return !r.dead(now) })
	return len(all), err
}

// List implements [Store].
func (m *MemoryStore) List(ctx context.Context, user, after string, limit int) ([]Record, error) {
	all, err := m.where(ctx, "list", func(r *memoryRow, now time.Time) bool {
		return !r.dead(now) && r.Handle > after && (user == "" || r.User == user)
	})
	slices.SortFunc(all, func(a, b Record) int { return cmp.Compare(a.Handle, b.Handle) })
	return all[:min(limit, len(all))], err
}

func (m *MemoryStore) where(ctx context.Context, doing string, match func(*memoryRow, time.Time) bool) ([]Record, error) {
	unlock, err := m.begin(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var found []Record
	now := time.Now()
	for _, row := range m.rows {
		if match(row, now) {
			found = append(found, row.record(now))
		}
	}
	return found, nil
}
