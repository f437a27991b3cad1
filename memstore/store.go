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
	"fmt"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/names"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A Store is a [driver.Store]. It is safe for concurrent use.
type Store struct{ driver.Store }

// memory is the store's methods.
type memory struct {
	limit int
	now   func() time.Time // time.Now, but in tests

	mu    sync.Mutex
	rows  map[driver.ID]*row
	used  list.List // of *row that have not ended, the one used last in front
	ended list.List // of *row, the one that ended last in front
	marks map[string]marks
}

const defaultLimit = 100_000

// New returns an empty store.
func New() *Store { return newStore(defaultLimit) }

func newStore(limit int) *Store {
	return &Store{&memory{limit: limit, now: time.Now, rows: map[driver.ID]*row{}, marks: map[string]marks{}}}
}

// Options choose the size. The zero value is the default.
type Options struct {
	// Limit is how many sessions are kept. When the store is full, a new session takes
	// the place of the one that ended first, or if none has ended, of the one that was
	// not used for the longest time, whose user is then logged out. Defaults to 100,000.
	Limit int
}

// With returns an empty store with these options. The error wraps [driver.ErrInvalid].
func (s *Store) With(o Options) (*Store, error) {
	if o.Limit < 0 {
		return nil, fmt.Errorf("memstore: %w: Limit is %d; use a number above 0, or 0 for the default", driver.ErrInvalid, o.Limit)
	}
	return newStore(cmp.Or(o.Limit, defaultLimit)), nil
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
func (s *memory) live(ref driver.Ref, now time.Time) (*row, bool) {
	row := s.rows[ref.ID]
	if row == nil || !row.live(now) || !proves(ref.Verifier, row.Verifier) {
		return nil, false
	}
	s.used.MoveToFront(row.place)
	return row, true
}

// remove takes the row out of the lists, of which it is in one.
func (s *memory) remove(row *row) {
	s.used.Remove(row.place)
	s.ended.Remove(row.place)
	delete(s.rows, row.ID)
}

// makeRoom removes a row if the store is full.
func (s *memory) makeRoom() {
	if len(s.rows) < s.limit {
		return
	}
	place := s.ended.Back()
	if place == nil {
		place = s.used.Back()
	}
	s.remove(place.Value.(*row))
}

func (s *memory) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	unlock, err := s.begin(ctx, "load")
	if err != nil {
		return driver.Row{}, err
	}
	defer unlock()
	now := s.now()
	row := s.rows[ref.ID]
	if row == nil || !row.live(now) || row.Pending {
		return driver.Row{}, driver.ErrNotFound
	}
	previous := false
	if !proves(ref.Verifier, row.Verifier) {
		if previous = row.previousUntil.After(now) && proves(ref.Verifier, row.previous); !previous {
			return driver.Row{}, &driver.ReplacedError{Ago: now.Sub(row.renewed)}
		}
	}
	s.used.MoveToFront(row.place)
	loaded := row.at(now)
	loaded.Previous = previous
	return loaded, nil
}

func (s *memory) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	unlock, err := s.begin(ctx, "create")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	switch wrong := names.Check(req.User, req.Label); {
	case !req.ID.Valid() || req.Verifier == "":
		return driver.SaveResult{}, fmt.Errorf("memstore: create: %w: the ID is no UUID or the verifier is empty", driver.ErrInvalid)
	case wrong != nil:
		return driver.SaveResult{}, fmt.Errorf("memstore: create: %w", wrong)
	case s.rows[req.ID] != nil:
		return driver.SaveResult{}, driver.ErrExists
	}
	s.makeRoom()
	now := s.now()
	r := &row{renewed: now, Row: driver.Row{
		Ref: req.Ref, Version: native.NewVersion(), User: req.User, Label: req.Label, Data: bytes.Clone(req.Data),
		Pending: req.Pending, CreatedAt: now,
	}}
	if req.Keep > 0 {
		r.keepUntil = now.Add(req.Keep)
	}
	r.write(now, req.Life, req.Authenticated)
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
	now := s.now()
	row, ok := s.live(req.From, now)
	id := follow(req.From, req.Verifier)
	wrong := names.Check(req.User, req.Label)
	switch other := s.rows[id]; {
	case !ok:
		return driver.SaveResult{}, driver.ErrNotFound
	case row.Version != req.Version:
		return driver.SaveResult{}, driver.ErrConflict
	case req.Verifier == "":
		return driver.SaveResult{}, fmt.Errorf("memstore: save: %w: the verifier is empty", driver.ErrInvalid)
	case wrong != nil:
		return driver.SaveResult{}, fmt.Errorf("memstore: save: %w", wrong)
	case other != nil && other != row:
		return driver.SaveResult{}, driver.ErrExists
	}
	delete(s.rows, row.ID)
	s.rows[id] = row
	if req.Verifier != row.Verifier {
		row.replace(now, req.Grace)
	}
	row.Ref, row.Version = driver.Ref{ID: id, Verifier: req.Verifier}, native.NewVersion()
	row.User, row.Label, row.Data, row.Pending = req.User, req.Label, bytes.Clone(req.Data), req.Pending
	row.write(now, req.Life, req.Authenticated)
	return driver.SaveResult{Version: row.Version}, nil
}

// follow returns the ID of the row when it has another verifier: its own, unless
// it was derived from the verifier, as package express does.
func follow(from driver.Ref, to driver.Verifier) driver.ID {
	if derived(from) {
		return driver.ID(uuid.Derive(string(to)))
	}
	return from.ID
}

func derived(ref driver.Ref) bool { return ref.ID == driver.ID(uuid.Derive(string(ref.Verifier))) }

func (s *memory) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	unlock, err := s.begin(ctx, "touch")
	if err != nil {
		return driver.SaveResult{}, err
	}
	defer unlock()
	now := s.now()
	row, ok := s.live(req.Ref, now)
	if !ok {
		return driver.SaveResult{}, driver.ErrNotFound
	}
	if now.Sub(row.LastSeenAt) >= req.Life.Throttle {
		before := row.expires
		row.extend(now, driver.Life{Idle: req.Life.Idle})
		if row.expires.Before(before) {
			row.expires = before
		}
	}
	return driver.SaveResult{}, nil
}
