package native

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/names"
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

// A Row is what LoadRow returns.
type Row struct {
	driver.Row
	Before driver.Verifier // the verifier before the one that the row has, if Load accepts it; otherwise ""
}

// A Write is one row to write. A create has its ID in From, and a touch has only From and
// Life.
type Write struct {
	driver.SaveRequest
	Key        Key
	NewVersion driver.Version // of the row after a create or save
	Keep       time.Duration  // of a create
}

// Rows are the methods of a store for single rows. Their requests have been checked, and
// [New]'s store explains their errors.
type Rows interface {
	// LoadRow returns a row whatever its verifier is, and an empty one or ErrNotFound if
	// there is none.
	LoadRow(ctx context.Context, l Lookup) (Row, error)
	CreateRow(ctx context.Context, w Write) (driver.SaveResult, error)
	SaveRow(ctx context.Context, w Write) (driver.SaveResult, error)
	TouchRow(ctx context.Context, w Write) (driver.SaveResult, error)
	// Marks returns the rows of marks that are still kept, with their ages.
	Marks(ctx context.Context, ids []driver.ID) ([]Mark, error)
}

// A Table is the other methods of a store. Their requests have been checked too.
type Table interface {
	Rows
	End(ctx context.Context, req driver.EndRequest) error
	// EndAll ends rows. The mark has been put.
	EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error)
	// PutMark inserts the row of a mark, or puts it in front of those that the row has, in
	// one statement. Twice does no more than once: each of a mark has its number.
	PutMark(ctx context.Context, m Mark) error
	Endings(ctx context.Context, ids []driver.ID) ([]driver.Ending, error)
	List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error)
	Stats(ctx context.Context) (driver.Stats, error)
	Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error)

	// Explain adds to an error the sentinel by which callers tell it from others or advice
	// for an operator, and why ctx ended if the error comes from that.
	Explain(ctx context.Context, err error) error

	// Lost returns 0, unless err means that a connection was lost, or has statements prepared
	// that are of no use any more. Then it returns how many connections there are of which the
	// same may be true, and one more.
	Lost(err error) (tries int)
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

func (s *store) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	key, ok := uuid.Parse(string(ref.ID))
	if !ok {
		return driver.Row{}, s.wrap(ctx, "load", driver.ErrNotFound)
	}
	found, err := s.loadRow(ctx, Lookup{ref, key})
	if err == nil {
		err = found.opens(ref.Verifier)
	}
	if err != nil {
		return driver.Row{}, s.wrap(ctx, "load", err)
	}
	return found.Row, nil
}

// opens returns nil if the client's proof opens the row.
func (r *Row) opens(proof driver.Verifier) error {
	switch {
	case len(r.Verifier) == 0 || r.Pending:
		return driver.ErrNotFound
	case Proves(proof, r.Verifier):
		return nil
	case Proves(proof, r.Before):
		r.Previous = true
		return nil
	}
	return &driver.ReplacedError{Ago: r.VerifierAge}
}

func (s *store) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	key, ok := uuid.Parse(string(req.ID))
	if !ok {
		return result, s.wrap(ctx, "create", notID(req.ID))
	}
	if err := cmp.Or(CheckVerifier(req.Verifier), names.Check(req.User, req.Label)); err != nil {
		return result, s.wrap(ctx, "create", err)
	}
	w := Write{driver.SaveRequest{
		From: driver.Ref{ID: req.ID}, Verifier: req.Verifier, User: req.User, Label: req.Label, Data: req.Data,
		Life: req.Life, Authenticated: req.Authenticated, Pending: req.Pending,
	}, key, NewVersion(), req.Keep}
	result, err = s.sure(ctx, w, s.rows.CreateRow)
	return s.written(ctx, "create", result, err)
}

func (s *store) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	key, ok := parse(req.From)
	if !ok {
		return result, s.wrap(ctx, "save", driver.ErrNotFound)
	}
	if err := cmp.Or(CheckVerifier(req.Verifier), names.Check(req.User, req.Label)); err != nil {
		return result, s.wrap(ctx, "save", err)
	}
	result, err = s.sure(ctx, Write{req, key, NewVersion(), 0}, s.rows.SaveRow)
	return s.written(ctx, "save", result, err)
}

func (s *store) Touch(ctx context.Context, req driver.TouchRequest) (result driver.SaveResult, err error) {
	key, ok := parse(req.Ref)
	if !ok {
		return result, s.wrap(ctx, "touch", driver.ErrNotFound)
	}
	w := Write{driver.SaveRequest{From: req.Ref, Life: req.Life}, key, 0, 0}
	if result, err = s.rows.TouchRow(ctx, w); s.unsure(ctx, err) { // twice does no more than once
		result, err = s.rows.TouchRow(ctx, w)
	}
	return s.written(ctx, "touch", result, err)
}

func (s *store) End(ctx context.Context, req driver.EndRequest) error {
	if !req.ID.Valid() || req.User != nil && names.Check(*req.User, "") != nil {
		return s.wrap(ctx, "end", driver.ErrNotFound)
	}
	err := s.table.End(ctx, req)
	if s.unsure(ctx, err) {
		if err = s.table.End(ctx, req); errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
			// The first try may have ended it, unless it ended for another reason.
			endings, lookErr := s.endings(ctx, []driver.ID{req.ID})
			if lookErr != nil || len(endings) == 1 && endings[0].Reason == req.Reason {
				err = lookErr
			}
		}
	}
	return s.wrap(ctx, "end", err)
}

func (s *store) EndAll(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
	if err = req.Check(); err != nil {
		return result, s.wrap(ctx, "end all", err)
	}
	if names.Check(req.User, req.Label) != nil {
		return result, nil //nolint:nilerr // no row has such a name, so there is nothing to end
	}
	if req.Mark.Number != 0 && req.After == "" {
		mark := newMark(&req)
		if err = s.table.PutMark(ctx, mark); s.unsure(ctx, err) {
			err = s.table.PutMark(ctx, mark)
		}
	}
	if err == nil {
		if result, err = s.table.EndAll(ctx, req); s.unsure(ctx, err) {
			before := result.Ended
			result, err = s.table.EndAll(ctx, req)
			result.Ended += before
		}
	}
	return result, s.wrap(ctx, "end all", err)
}

func (s *store) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	ids, endings := make([]driver.ID, 0, len(refs)), []driver.Ending(nil)
	for _, ref := range refs {
		if ref.ID.Valid() {
			ids = append(ids, ref.ID)
		} else {
			endings = append(endings, driver.Ending{ID: ref.ID, Gone: true})
		}
	}
	if len(ids) == 0 {
		return endings, nil
	}
	found, err := s.endings(ctx, ids)
	if err != nil {
		return nil, s.wrap(ctx, "endings", err)
	}
	return append(endings, found...), nil
}

func (s *store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	err = req.Check()
	if err == nil && (req.ID == "" || req.ID.Valid() && req.ID > req.After) && names.Check(req.User, req.Label) == nil {
		rows, err = read(ctx, s, func() ([]driver.Row, error) { return s.table.List(ctx, req) })
	}
	if err != nil {
		return nil, s.wrap(ctx, "list", err)
	}
	return rows, nil
}

func (s *store) Stats(ctx context.Context) (driver.Stats, error) {
	stats, err := read(ctx, s, func() (driver.Stats, error) { return s.table.Stats(ctx) })
	return stats, s.wrap(ctx, "stats", err)
}

func (s *store) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	result, err := s.table.Reap(ctx, req)
	return result, s.wrap(ctx, "reap", err)
}

func notID(id driver.ID) error {
	return fmt.Errorf("%w: %.40q is no session's ID", driver.ErrInvalid, string(id))
}
