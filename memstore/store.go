// Package memstore keeps sessions in the memory of this process, for tests and for
// trying things out. They are gone when the process ends, and other processes do not
// see them. Time is that of package time, so inside testing/synctest it can be moved
// by sleeping.
package memstore

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

// A Store is a [driver.Store]. It is safe for concurrent use.
type Store struct{ driver.Store }

// memory is the store's methods.
type memory struct {
	limit int

	mu   sync.Mutex
	rows map[driver.ID]*row
	used list.List // of *row, the one used last in front
}

const defaultLimit = 100_000

// New returns an empty store.
func New() *Store { return newStore(defaultLimit) }

func newStore(limit int) *Store { return &Store{&memory{limit: limit, rows: map[driver.ID]*row{}}} }

// Options choose the size. The zero value is the default.
type Options struct {
	// Limit is how many sessions are kept. When the store is full, a new session
	// takes the place of the one that was not used for the longest time, whose user is
	// then logged out. Defaults to 100,000.
	Limit int
}

// With returns an empty store with these options. The error wraps [driver.ErrInvalid].
func (s *Store) With(o Options) (*Store, error) {
	if o.Limit < 0 {
		return nil, fmt.Errorf("memstore: %w: Limit is %d; use a number above 0, or 0 for the default", driver.ErrInvalid, o.Limit)
	}
	return newStore(cmp.Or(o.Limit, defaultLimit)), nil
}

type row struct {
	driver.Row
	expires, absolute time.Time
	place             *list.Element
}

func (r *row) dead(now time.Time) bool { return !r.expires.After(now) }

// at returns the row as a caller gets it.
func (r *row) at(now time.Time) driver.Row {
	row := r.Row
	row.Data = bytes.Clone(r.Data)
	row.ExpiresIn, row.AbsoluteIn = r.expires.Sub(now), r.absolute.Sub(now)
	return row
}

func (r *row) extend(now time.Time, life driver.Life) {
	if life.Absolute > 0 {
		r.absolute = now.Add(life.Absolute)
	}
	r.expires = now.Add(life.Idle)
	if r.absolute.Before(r.expires) {
		r.expires = r.absolute
	}
}

// begin takes the lock, as a database would refuse work for a caller that has left.
func (s *memory) begin(ctx context.Context, op string) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("memstore: %s: %w", op, context.Cause(ctx))
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

// live returns the row that ref proves, and marks it as used.
func (s *memory) live(ref driver.Ref) (*row, bool) {
	row := s.rows[ref.ID]
	if row == nil || row.dead(time.Now()) || !proves(ref.Verifier, row.Verifier) {
		return nil, false
	}
	s.used.MoveToFront(row.place)
	return row, true
}

// proves takes the verifiers of package express too, which have any length.
func proves(client, row driver.Verifier) bool {
	return row != "" && subtle.ConstantTimeCompare([]byte(client), []byte(row)) == 1
}

func (s *memory) remove(row *row) {
	s.used.Remove(row.place)
	delete(s.rows, row.ID)
}

func (s *memory) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	unlock, err := s.begin(ctx, "load")
	if err != nil {
		return driver.Row{}, err
	}
	defer unlock()
	row, ok := s.live(ref)
	if !ok {
		return driver.Row{}, driver.ErrNotFound
	}
	return row.at(time.Now()), nil
}

func (s *memory) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	unlock, err := s.begin(ctx, "create")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	switch {
	case !req.ID.Valid() || req.Verifier == "":
		return driver.SaveResult{}, fmt.Errorf("memstore: create: %w: the ID is no UUID or the verifier is empty", driver.ErrInvalid)
	case s.rows[req.ID] != nil:
		return driver.SaveResult{}, driver.ErrExists
	case len(s.rows) >= s.limit:
		s.remove(s.used.Back().Value.(*row))
	}
	now := time.Now()
	r := &row{Row: driver.Row{
		Ref: req.Ref, Version: native.NewVersion(), User: req.User, Label: req.Label, Data: bytes.Clone(req.Data), CreatedAt: now,
	}}
	if req.Authenticated {
		r.AuthenticatedAt = now
	}
	r.extend(now, req.Life)
	r.place = s.used.PushFront(r)
	s.rows[req.ID] = r
	return driver.SaveResult{Version: r.Version}, nil
}

func (s *memory) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	unlock, err := s.begin(ctx, "save")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	row, ok := s.live(req.From)
	id := follow(req.From, req.Verifier)
	switch other := s.rows[id]; {
	case !ok:
		return driver.SaveResult{}, driver.ErrNotFound
	case row.Version != req.Version:
		return driver.SaveResult{}, driver.ErrConflict
	case req.Verifier == "":
		return driver.SaveResult{}, fmt.Errorf("memstore: save: %w: the verifier is empty", driver.ErrInvalid)
	case other != nil && other != row:
		return driver.SaveResult{}, driver.ErrExists
	}
	delete(s.rows, row.ID)
	s.rows[id] = row
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
func follow(from driver.Ref, to driver.Verifier) driver.ID {
	if from.ID == driver.ID(uuid.Derive(string(from.Verifier))) {
		return driver.ID(uuid.Derive(string(to)))
	}
	return from.ID
}

func (s *memory) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	unlock, err := s.begin(ctx, "touch")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	row, ok := s.live(req.Ref)
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

func (s *memory) End(ctx context.Context, req driver.EndRequest) error {
	unlock, err := s.begin(ctx, "end")
	if err != nil {
		return err
	}
	defer unlock()
	row := s.rows[req.ID]
	if row == nil || req.User != nil && *req.User != row.User {
		return driver.ErrNotFound
	}
	s.remove(row)
	if row.dead(time.Now()) {
		return driver.ErrNotFound
	}
	return nil
}

func (s *memory) EndAll(ctx context.Context, req driver.EndAllRequest) (int, error) {
	if err := req.Check(); err != nil {
		return 0, err
	}
	unlock, err := s.begin(ctx, "end all")
	if err != nil {
		return 0, err
	}
	defer unlock()
	found := s.first(req.Limit, func(r *row, now time.Time) bool {
		return !r.dead(now) && !slices.Contains(req.Except, r.ID) &&
			(req.All || req.User != "" && r.User == req.User || req.Label != "" && r.Label == req.Label)
	})
	for _, row := range found {
		s.remove(row)
	}
	return len(found), nil
}

func (s *memory) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	unlock, err := s.begin(ctx, "list")
	if err != nil {
		return nil, err
	}
	defer unlock()
	found := s.first(req.Limit, func(r *row, now time.Time) bool {
		return !r.dead(now) && r.ID > req.After &&
			(req.All || r.ID == req.ID || req.User != "" && r.User == req.User || req.Label != "" && r.Label == req.Label)
	})
	rows, now := make([]driver.Row, len(found)), time.Now()
	for i, row := range found {
		rows[i] = row.at(now)
	}
	return rows, nil
}

func (s *memory) Stats(ctx context.Context) (driver.Stats, error) {
	unlock, err := s.begin(ctx, "stats")
	if err != nil {
		return driver.Stats{}, err
	}
	defer unlock()
	dead := len(s.first(len(s.rows), (*row).dead))
	return driver.Stats{Live: len(s.rows) - dead, Dead: dead}, nil
}

func (s *memory) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	unlock, err := s.begin(ctx, "reap")
	if err != nil {
		return driver.ReapResult{}, err
	}
	defer unlock()
	found := s.first(req.Limit, (*row).dead)
	for _, row := range found {
		s.remove(row)
	}
	return driver.ReapResult{Deleted: len(found), More: len(found) == req.Limit}, nil
}

// first returns up to limit rows that match, in the order of their IDs.
func (s *memory) first(limit int, match func(*row, time.Time) bool) []*row {
	var found []*row
	now := time.Now()
	for _, row := range s.rows {
		if match(row, now) {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, func(a, b *row) int { return cmp.Compare(a.ID, b.ID) })
	return found[:min(limit, len(found))]
}
