package row

import (
	"context"
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
)

// A Table is all that differs between the stores. What the refs of requests name can be in
// the table.
type Table interface {
	LoadRow(ctx context.Context, sid driver.Verifier) (driver.Row, error)
	CreateRow(ctx context.Context, req driver.CreateRequest, text string) (driver.SaveResult, error)
	SaveRow(ctx context.Context, req driver.SaveRequest, text string) (driver.SaveResult, error)
	TouchRow(ctx context.Context, req driver.TouchRequest) error

	// EndRow deletes a row, dead or alive. Unless the version is nil, it must be the row's.
	EndRow(ctx context.Context, sid string, version any) (deleted, live bool, err error)

	// Text returns the text of a row, and FindID the sid too, dead or alive.
	Text(ctx context.Context, sid string) ([]byte, error)
	FindID(ctx context.Context, id driver.ID) (sid string, text []byte, err error)

	// FindUser calls each with the rows, dead or alive, that may be the user's whose
	// quoted name this is.
	FindUser(ctx context.Context, quoted string, each func(sid string, text []byte)) error

	// EndRows ends up to limit live rows and, if there are no more, deletes the dead ones.
	EndRows(ctx context.Context, except []driver.ID, limit int) (int, error)

	// ListRows returns live rows in the order of their IDs, and Page in that of their sids.
	// Unless quoted is empty, they are rows that may be the user's.
	ListRows(ctx context.Context, after driver.ID, quoted string, limit int) ([]driver.Row, error)
	Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error)

	Stats(ctx context.Context) (driver.Stats, error)

	// Reap deletes up to limit dead rows that are not locked.
	Reap(ctx context.Context, limit int) (int, error)

	// Holds reports whether the column can hold a sid, and CheckText why the other can't
	// hold a session.
	Holds(sid driver.Verifier) bool
	CheckText(text []byte) error

	// Explain adds to an error the sentinel by which callers tell it from others, or
	// advice for an operator.
	Explain(err error) error
}

// A Store is the [driver.Store] on a table.
type Store struct {
	Name  string // begins errors
	Table Table
}

var _ driver.Store = (*Store)(nil)

func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", s.Name, op, s.Table.Explain(err))
}

// names reports whether ref can name a row.
func (s *Store) names(ref driver.Ref) bool { return s.Table.Holds(ref.Verifier) && Names(ref) }

// Load implements [driver.Store].
func (s *Store) Load(ctx context.Context, ref driver.Ref) (r driver.Row, err error) {
	err = driver.ErrNotFound
	if s.names(ref) {
		r, err = s.Table.LoadRow(ctx, ref.Verifier)
	}
	return r, s.wrap("load", err)
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	if !Names(req.Ref) {
		return result, s.wrap("create", ErrID)
	}
	text, err := s.encode(req.Verifier, req.User, req.Label, req.Data)
	if err == nil {
		result, err = s.Table.CreateRow(ctx, req, text)
	}
	return result, s.wrap("create", err)
}

// encode returns the text to store, if the columns can hold it and the sid.
func (s *Store) encode(sid driver.Verifier, user, label string, data []byte) (string, error) {
	if !s.Table.Holds(sid) {
		return "", ErrSid
	}
	text, err := Encode(data, user, label)
	if err == nil {
		err = s.Table.CheckText(text)
	}
	return string(text), err
}

// Save implements [driver.Store].
func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	text, err := s.encode(req.Verifier, req.User, req.Label, req.Data)
	switch {
	case err != nil:
	case !s.names(req.From):
		err = driver.ErrNotFound
	default:
		result, err = s.Table.SaveRow(ctx, req, text)
	}
	return result, s.wrap("save", err)
}

// Touch implements [driver.Store].
func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (none driver.SaveResult, err error) {
	err = driver.ErrNotFound
	if s.names(req.Ref) {
		err = s.Table.TouchRow(ctx, req)
	}
	return none, s.wrap("touch", err)
}

// End implements [driver.Store]. With the verifier it finds the row by the primary
// key; without, it reads the whole table.
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	var err error
	found := Found{Sid: string(req.Verifier)}
	if req.Verifier == "" {
		found, err = s.find(ctx, req.ID, req.User)
	} else if !s.names(driver.Ref{ID: req.ID, Verifier: req.Verifier}) {
		err = driver.ErrNotFound
	}
	if err == nil {
		err = s.end(ctx, found, req.User)
	}
	return s.wrap("end", err)
}

// find returns the row with the derived ID, dead or alive, if it is the user's.
func (s *Store) find(ctx context.Context, id driver.ID, user *string) (found Found, err error) {
	if !id.Valid() {
		return found, driver.ErrNotFound
	}
	var text []byte
	found.Sid, text, err = s.Table.FindID(ctx, id)
	if err == nil && user != nil {
		found.Version, err = Owned(text, *user)
	}
	return found, err
}

// end deletes a row, dead or alive. With a user it must have the version at which
// it was found to be that user's; if it has changed since, it is read again.
func (s *Store) end(ctx context.Context, found Found, user *string) error {
	return Until(func() (bool, error) {
		var version any
		if user != nil {
			version = int64(found.Version)
		}
		deleted, live, err := s.Table.EndRow(ctx, found.Sid, version)
		switch {
		case deleted && !live:
			return true, driver.ErrNotFound
		case deleted || err != nil:
			return true, err
		}
		text, err := s.Table.Text(ctx, found.Sid)
		if err == nil && user != nil {
			found.Version, err = Owned(text, *user)
		}
		return false, err
	})
}

// EndAll implements [driver.Store].
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (ended int, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "":
	case req.All:
		ended, err = s.Table.EndRows(ctx, req.Except, req.Limit)
	default:
		ended, err = EndUser(req, func(each func(string, []byte)) error {
			return s.Table.FindUser(ctx, Quote(req.User), each)
		}, func(found Found) error { return s.end(ctx, found, &req.User) })
	}
	return ended, s.wrap("end all", err)
}

// List implements [driver.Store].
func (s *Store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "":
	case req.ID != "":
		if req.ID > req.After {
			rows, err = s.listOne(ctx, req.ID)
		}
	default:
		quoted := ""
		if req.User != "" {
			quoted = Quote(req.User)
		}
		rows, err = List(req, func(after driver.ID) ([]driver.Row, error) {
			return s.Table.ListRows(ctx, after, quoted, req.Limit)
		})
	}
	return rows, s.wrap("list", err)
}

func (s *Store) listOne(ctx context.Context, id driver.ID) ([]driver.Row, error) {
	found, err := s.find(ctx, id, nil)
	var r driver.Row
	if err == nil {
		r, err = s.Table.LoadRow(ctx, driver.Verifier(found.Sid))
	}
	switch {
	case errors.Is(err, driver.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []driver.Row{r}, nil
}

// Page returns up to limit live rows whose sids are larger than after, in the order of
// the column of sids.
func (s *Store) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	rows, err := s.Table.Page(ctx, after, limit)
	return rows, s.wrap("page", err)
}

// Stats implements [driver.Store].
func (s *Store) Stats(ctx context.Context) (driver.Stats, error) {
	stats, err := s.Table.Stats(ctx)
	return stats, s.wrap("stats", err)
}

// Reap implements [driver.Store]. What it deletes, the store's of the Express application
// would delete too.
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	deleted, err := s.Table.Reap(ctx, req.Limit)
	return driver.ReapResult{Deleted: deleted, More: err == nil && deleted == req.Limit}, s.wrap("reap", err)
}
