package native

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A Key is an ID as bytes.
type Key = [uuid.Size]byte

// KeyBytes returns the key of a valid ID.
func KeyBytes(id driver.ID) []byte {
	key, _ := uuid.Parse(string(id))
	return key[:]
}

// BytesOf returns a copy, so that what the key is part of can stay on the stack.
func BytesOf(key Key) []byte { return key[:] }

// What EndAll and List select. ByID is for List alone.
const (
	ByUser = iota
	ByLabel
	Everything
	ByID
)

// Selection returns what is selected, and by what name if any.
func Selection(user, label string) (which int, name []any) {
	switch {
	case user != "":
		return ByUser, []any{user}
	case label != "":
		return ByLabel, []any{label}
	}
	return Everything, nil
}

// A Lookup is one row to load.
type Lookup struct {
	driver.Ref
	Key Key
}

// RefOf returns how a client refers to the row with this key and verifier. It has the
// lookup's strings if they are equal, so that they need not be made again.
func (l *Lookup) RefOf(key Key, verifier []byte) driver.Ref {
	ref := l.Ref
	if ref.ID == "" || l.Key != key {
		ref.ID = driver.ID(uuid.Format(key))
	}
	if !Proves(ref.Verifier, driver.Verifier(verifier)) {
		ref.Verifier = driver.Verifier(verifier)
	}
	return ref
}

// A Write is one row to write. A create has its ID in From, and a touch has only From and
// Life.
type Write struct {
	driver.SaveRequest
	Key        Key
	NewVersion driver.Version // of the row after a create or save
}

// Rows are the methods of a store for single rows. Their requests have been checked, and
// [New]'s store explains their errors.
type Rows interface {
	// LoadRow returns a row whatever its verifier is, and an empty one or ErrNotFound if
	// there is none.
	LoadRow(ctx context.Context, l Lookup) (driver.Row, error)
	CreateRow(ctx context.Context, w Write) (driver.SaveResult, error)
	SaveRow(ctx context.Context, w Write) (driver.SaveResult, error)
	TouchRow(ctx context.Context, w Write) (driver.SaveResult, error)
}

// A Table is the other methods of a store. Their requests have been checked too.
type Table interface {
	Rows
	End(ctx context.Context, req driver.EndRequest) error
	EndAll(ctx context.Context, req driver.EndAllRequest) (int, error)
	List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error)
	Stats(ctx context.Context) (driver.Stats, error)
	Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error)

	// Explain adds to an error the sentinel by which callers tell it from others or advice
	// for an operator, and why ctx ended if the error comes from that.
	Explain(ctx context.Context, err error) error
}

type store struct {
	name  string
	rows  Rows
	table Table
}

// New returns a store that checks requests, passes them to rows and table, and gives
// errors the name of the store and of the method.
func New(name string, rows Rows, table Table) driver.Store {
	return &store{name, rows, table}
}

func (s *store) wrap(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, driver.ErrInvalid) { // which quotes what the caller sent
		err = s.table.Explain(ctx, err)
	}
	return fmt.Errorf("%s: %s: %w", s.name, op, err)
}

// Missing makes ErrNotFound of what database/sql says of a row that is not there. A store
// calls it where it looks for a row: elsewhere a result without rows is an error.
func Missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return driver.ErrNotFound
	}
	return err
}

func (s *store) written(ctx context.Context, op string, result driver.SaveResult, err error) (driver.SaveResult, error) {
	if err != nil {
		return driver.SaveResult{}, s.wrap(ctx, op, err)
	}
	return result, nil
}

// parse returns the key of a row that ref may prove. A column without a proper verifier
// proves nothing.
func parse(ref driver.Ref) (Key, bool) {
	key, ok := uuid.Parse(string(ref.ID))
	return key, ok && CheckVerifier(ref.Verifier) == nil
}

func (s *store) Load(ctx context.Context, ref driver.Ref) (row driver.Row, err error) {
	key, ok := uuid.Parse(string(ref.ID))
	if !ok {
		return row, s.wrap(ctx, "load", driver.ErrNotFound)
	}
	row, err = s.rows.LoadRow(ctx, Lookup{ref, key})
	if err == nil && !Proves(ref.Verifier, row.Verifier) {
		err = driver.ErrNotFound
	}
	if err != nil {
		return driver.Row{}, s.wrap(ctx, "load", err)
	}
	return row, nil
}

func (s *store) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	key, ok := uuid.Parse(string(req.ID))
	if !ok {
		return result, s.wrap(ctx, "create", notID(req.ID))
	}
	if err := CheckVerifier(req.Verifier); err != nil {
		return result, s.wrap(ctx, "create", err)
	}
	result, err = s.rows.CreateRow(ctx, Write{driver.SaveRequest{
		From: driver.Ref{ID: req.ID}, Verifier: req.Verifier, User: req.User, Label: req.Label, Data: req.Data,
		Life: req.Life, Authenticated: req.Authenticated,
	}, key, NewVersion()})
	return s.written(ctx, "create", result, err)
}

func (s *store) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	key, ok := parse(req.From)
	if !ok {
		return result, s.wrap(ctx, "save", driver.ErrNotFound)
	}
	if err := CheckVerifier(req.Verifier); err != nil {
		return result, s.wrap(ctx, "save", err)
	}
	result, err = s.rows.SaveRow(ctx, Write{req, key, NewVersion()})
	return s.written(ctx, "save", result, err)
}

func (s *store) Touch(ctx context.Context, req driver.TouchRequest) (result driver.SaveResult, err error) {
	key, ok := parse(req.Ref)
	if !ok {
		return result, s.wrap(ctx, "touch", driver.ErrNotFound)
	}
	result, err = s.rows.TouchRow(ctx, Write{driver.SaveRequest{From: req.Ref, Life: req.Life}, key, 0})
	return s.written(ctx, "touch", result, err)
}

func (s *store) End(ctx context.Context, req driver.EndRequest) error {
	err := driver.ErrNotFound
	if req.ID.Valid() {
		err = s.table.End(ctx, req)
	}
	return s.wrap(ctx, "end", err)
}

func (s *store) EndAll(ctx context.Context, req driver.EndAllRequest) (ended int, err error) {
	if err = req.Check(); err == nil {
		ended, err = s.table.EndAll(ctx, req)
	}
	return ended, s.wrap(ctx, "end all", err)
}

func (s *store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	err = req.Check()
	switch {
	case err != nil:
	case req.After != "" && !req.After.Valid():
		err = fmt.Errorf("the ID to list after: %w", notID(req.After))
	case req.ID == "" || req.ID.Valid() && req.ID > req.After:
		rows, err = s.table.List(ctx, req)
	}
	if err != nil {
		return nil, s.wrap(ctx, "list", err)
	}
	return rows, nil
}

func (s *store) Stats(ctx context.Context) (driver.Stats, error) {
	stats, err := s.table.Stats(ctx)
	return stats, s.wrap(ctx, "stats", err)
}

func (s *store) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	result, err := s.table.Reap(ctx, req)
	return result, s.wrap(ctx, "reap", err)
}

func notID(id driver.ID) error {
	return fmt.Errorf("%w: %.40q is no session's ID", driver.ErrInvalid, string(id))
}
