package sessions

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// MemoryStore keeps sessions in this process: for tests and for trying things
// out. They are gone when the process ends and other processes do not see them. Make it with
// [NewMemoryStore]. It is safe for concurrent use.
type MemoryStore struct {
	limit int

	mu   sync.Mutex
	rows map[ID]*memoryRow
	used list.List // of *memoryRow, the one used last in front
}

type memoryRow struct {
	driver.Row
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
	return &MemoryStore{limit: limit, rows: map[ID]*memoryRow{}}
}

var _ Store = (*MemoryStore)(nil)

func (r *memoryRow) dead(now time.Time) bool { return !r.expires.After(now) }

// at returns the row as a caller gets it.
func (r *memoryRow) at(now time.Time) driver.Row {
	row := r.Row
	row.Data = bytes.Clone(r.Data)
	row.ExpiresIn, row.AbsoluteIn = r.expires.Sub(now), r.absolute.Sub(now)
	return row
}

func (r *memoryRow) extend(now time.Time, life driver.Life) {
	if life.Absolute > 0 {
		r.absolute = now.Add(life.Absolute)
	}
	r.expires = now.Add(life.Idle)
	if r.absolute.Before(r.expires) {
		r.expires = r.absolute
	}
}

// begin takes the lock, as a database would refuse work for a caller that has left.
func (m *MemoryStore) begin(ctx context.Context, op string) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("sessions: memory: %s: %w", op, context.Cause(ctx))
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// live returns the row that ref proves, and marks it as used.
func (m *MemoryStore) live(ref driver.Ref) (*memoryRow, bool) {
	row := m.rows[ref.ID]
	if row == nil || row.dead(time.Now()) || !proves(ref.Verifier, row.Verifier) {
		return nil, false
	}
	m.used.MoveToFront(row.place)
	return row, true
}

// proves takes the verifiers of package express too, which have any length.
func proves(client, row driver.Verifier) bool {
	return row != "" && subtle.ConstantTimeCompare([]byte(client), []byte(row)) == 1
}

func (m *MemoryStore) remove(row *memoryRow) {
	m.used.Remove(row.place)
	delete(m.rows, row.ID)
}

// Load implements [Store].
func (m *MemoryStore) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	unlock, err := m.begin(ctx, "load")
	if err != nil {
		return driver.Row{}, err
	}
	defer unlock()
	row, ok := m.live(ref)
	if !ok {
		return driver.Row{}, driver.ErrNotFound
	}
	return row.at(time.Now()), nil
}

// Create implements [Store].
func (m *MemoryStore) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	unlock, err := m.begin(ctx, "create")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	switch {
	case !req.ID.Valid() || req.Verifier == "":
		return driver.SaveResult{}, fmt.Errorf("sessions: memory: create: %w: the ID is no UUID or the verifier is empty", driver.ErrInvalid)
	case m.rows[req.ID] != nil:
		return driver.SaveResult{}, driver.ErrExists
	case len(m.rows) >= m.limit:
		m.remove(m.used.Back().Value.(*memoryRow))
	}
	now := time.Now()
	row := &memoryRow{Row: driver.Row{
		Ref: req.Ref, Version: native.NewVersion(), User: req.User, Label: req.Label, Data: bytes.Clone(req.Data), CreatedAt: now,
	}}
	if req.Authenticated {
		row.AuthenticatedAt = now
	}
	row.extend(now, req.Life)
	row.place = m.used.PushFront(row)
	m.rows[req.ID] = row
	return driver.SaveResult{Version: row.Version}, nil
}

// Save implements [Store].
func (m *MemoryStore) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	unlock, err := m.begin(ctx, "save")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	row, ok := m.live(req.From)
	id := follow(req.From, req.Verifier)
	switch other := m.rows[id]; {
	case !ok:
		return driver.SaveResult{}, driver.ErrNotFound
	case row.Version != req.Version:
		return driver.SaveResult{}, driver.ErrConflict
	case req.Verifier == "":
		return driver.SaveResult{}, fmt.Errorf("sessions: memory: save: %w: the verifier is empty", driver.ErrInvalid)
	case other != nil && other != row:
		return driver.SaveResult{}, driver.ErrExists
	}
	delete(m.rows, row.ID)
	m.rows[id] = row
	now := time.Now()
	row.Ref, row.Version = driver.Ref{ID: id, Verifier: req.Verifier}, native.NewVersion()
	row.User, row.Label, row.Data = req.User, req.Label, bytes.Clone(req.Data)
	if req.Authenticated {
		row.AuthenticatedAt = now
	}
	row.extend(now, req.Life)
	return driver.SaveResult{Version: row.Version}, nil
}

// follow returns the ID of the row when it has another verifier: its own, unless
// it was derived from the verifier, as package express does.
func follow(from driver.Ref, to driver.Verifier) ID {
	if from.ID == ID(uuid.Derive(string(from.Verifier))) {
		return ID(uuid.Derive(string(to)))
	}
	return from.ID
}

// Touch implements [Store].
func (m *MemoryStore) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	unlock, err := m.begin(ctx, "touch")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	row, ok := m.live(req.Ref)
	if !ok {
		return driver.SaveResult{}, driver.ErrNotFound
	}
	before := row.expires
	row.extend(time.Now(), driver.Life{Idle: req.Life.Idle})
	if gain := row.expires.Sub(before); gain <= 0 || gain < req.Life.Throttle {
		row.expires = before
	}
	return driver.SaveResult{}, nil
}

// End implements [Store].
func (m *MemoryStore) End(ctx context.Context, req driver.EndRequest) error {
	unlock, err := m.begin(ctx, "end")
	if err != nil {
		return err
	}
	defer unlock()
	row := m.rows[req.ID]
	if row == nil || req.User != nil && *req.User != row.User {
		return driver.ErrNotFound
	}
	m.remove(row)
	if row.dead(time.Now()) {
		return driver.ErrNotFound
	}
	return nil
}

// EndAll implements [Store].
func (m *MemoryStore) EndAll(ctx context.Context, req driver.EndAllRequest) (int, error) {
	if err := req.Check(); err != nil {
		return 0, err
	}
	unlock, err := m.begin(ctx, "end all")
	if err != nil {
		return 0, err
	}
	defer unlock()
	found := m.first(req.Limit, func(r *memoryRow, now time.Time) bool {
		return !r.dead(now) && !slices.Contains(req.Except, r.ID) &&
			(req.All || req.User != "" && r.User == req.User || req.Label != "" && r.Label == req.Label)
	})
	for _, row := range found {
		m.remove(row)
	}
	return len(found), nil
}

// List implements [Store].
func (m *MemoryStore) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	unlock, err := m.begin(ctx, "list")
	if err != nil {
		return nil, err
	}
	defer unlock()
	found := m.first(req.Limit, func(r *memoryRow, now time.Time) bool {
		return !r.dead(now) && r.ID > req.After &&
			(req.All || r.ID == req.ID || req.User != "" && r.User == req.User || req.Label != "" && r.Label == req.Label)
	})
	rows, now := make([]driver.Row, len(found)), time.Now()
	for i, row := range found {
		rows[i] = row.at(now)
	}
	return rows, nil
}

// Stats implements [Store].
func (m *MemoryStore) Stats(ctx context.Context) (driver.Stats, error) {
	unlock, err := m.begin(ctx, "stats")
	if err != nil {
		return driver.Stats{}, err
	}
	defer unlock()
	dead := len(m.first(len(m.rows), (*memoryRow).dead))
	return driver.Stats{Live: len(m.rows) - dead, Dead: dead}, nil
}

// Reap implements [Store].
func (m *MemoryStore) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	unlock, err := m.begin(ctx, "reap")
	if err != nil {
		return driver.ReapResult{}, err
	}
	defer unlock()
	found := m.first(req.Limit, (*memoryRow).dead)
	for _, row := range found {
		m.remove(row)
	}
	return driver.ReapResult{Deleted: len(found), More: len(found) == req.Limit}, nil
}

// first returns up to limit rows that match, in the order of their IDs.
func (m *MemoryStore) first(limit int, match func(*memoryRow, time.Time) bool) []*memoryRow {
	var found []*memoryRow
	now := time.Now()
	for _, row := range m.rows {
		if match(row, now) {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, func(a, b *memoryRow) int { return cmp.Compare(a.ID, b.ID) })
	return found[:min(limit, len(found))]
}
