package row

import (
	"context"
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/names"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Table is what differs between the stores. It is given only requests for sids that the
// table can hold.
type Table interface {
	// Query runs a statement and calls each for every row. Args returns the parameters of a
	// statement that finds a row by its sid.
	Query(ctx context.Context, query stmt.ID, args []any, each func(scan func(dest ...any) error) error) error
	Args(sid driver.Verifier) []any

	// CreateRow and SaveRow return the new version.
	CreateRow(ctx context.Context, req driver.CreateRequest, text string) (driver.Version, error)
	SaveRow(ctx context.Context, req driver.SaveRequest, text string) (driver.Version, error)

	// TouchRow reports whether it is certain that the row was live.
	TouchRow(ctx context.Context, req driver.TouchRequest) (certain bool, err error)

	// EndRow deletes a row, dead or alive. Unless the version is nil, it must be the row's.
	EndRow(ctx context.Context, sid driver.Verifier, version any) (deleted, live bool, err error)

	// FindRows calls each with the sid of every row that has one of the sids, whether it is
	// live, and its expiry in microseconds since 1970.
	FindRows(ctx context.Context, sids []driver.Verifier, each func(scan func(dest ...any) error) error) error

	// EndRows ends up to limit live rows and, if there are no more, deletes the dead ones.
	EndRows(ctx context.Context, except []driver.ID, limit int) (int, error)

	// ReapRows deletes up to limit dead rows that are not locked.
	ReapRows(ctx context.Context, limit int) (int, error)

	// Holds reports whether the column can hold a sid, and CheckText why the other can't
	// hold a session.
	Holds(sid driver.Verifier) bool
	CheckText(text []byte) error

	// Explain adds to an error the sentinel by which callers tell it from others, or
	// advice for an operator.
	Explain(err error) error

	// Lost returns how many tries a read is worth that failed with err, because a connection
	// was lost or the database undid it, and otherwise 0.
	Lost(err error) (tries int)
}

// Statements are those that only read, with their parameters in this order.
type Statements struct {
	List    []stmt.ID // live rows by ID, all and those that may be a user's; the quoted user, the ID before the first, a limit
	InOrder stmt.ID   // live rows by sid; a sid for a comparison, a limit

	load   stmt.ID // a live row; a sid
	exists stmt.ID // true for a live row; a sid
	text   stmt.ID // the text of a row; a sid
	byID   stmt.ID // sid and text of a row; an ID
	byUser stmt.ID // sids and texts of rows that may be a user's; the quoted user
	stats  stmt.ID
}

// With adds the statements that are the same on both databases to a list, which has the
// tokens for what is not. Each has a limit, because one that MySQL's sql_select_limit sets
// would leave rows out.
func (s Statements) With(list *stmt.List) Statements {
	s.load = list.Add(`SELECT $COLUMNS FROM $TABLE WHERE $FOUND AND $LIVE LIMIT 1`)
	s.exists = list.Add(`SELECT TRUE FROM $TABLE WHERE $FOUND AND $LIVE LIMIT 1`)
	s.text = list.Add(`SELECT $JUST_TEXT FROM $TABLE WHERE $FOUND AND $KEPT LIMIT 1`)
	// Read first, because a DELETE that reads the whole table locks all of it.
	s.byID = list.Add(`SELECT $JUST_SID, $JUST_TEXT FROM $TABLE WHERE $NAMED AND $KEPT LIMIT 1`)
	s.byUser = list.Add(`SELECT $JUST_SID, $JUST_TEXT FROM $TABLE WHERE $OWNED LIMIT 1000000000000`)
	s.stats = list.Add(`SELECT COUNT(CASE WHEN $LIVE THEN 1 END), COUNT(CASE WHEN $DEAD THEN 1 END) FROM $TABLE LIMIT 1`)
	return s
}

// A Store is the [driver.Store] on a table.
type Store struct {
	Name  string // begins errors
	Table Table
	Statements
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

func (s *Store) Load(ctx context.Context, ref driver.Ref) (r driver.Row, err error) {
	err = driver.ErrNotFound
	if s.names(ref) {
		r, err = s.load(ctx, ref.Verifier)
	}
	return r, s.wrap("load", err)
}

func (s *Store) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	if !Names(req.Ref) {
		return result, s.wrap("create", ErrID)
	}
	text, err := s.encode(req.Verifier, req.User, req.Label, req.Data)
	if err == nil {
		result.Version, err = s.Table.CreateRow(ctx, req, text)
	}
	return result, s.wrap("create", err)
}

// encode returns the text to store, if the columns can hold it and the sid.
func (s *Store) encode(sid driver.Verifier, user, label string, data []byte) (string, error) {
	if !s.Table.Holds(sid) {
		return "", ErrSid
	}
	if err := names.Check(user, label); err != nil {
		return "", err
	}
	text, err := Encode(data, user, label)
	if err == nil {
		err = s.Table.CheckText(text)
	}
	return string(text), err
}

func (s *Store) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	text, err := s.encode(req.Verifier, req.User, req.Label, req.Data)
	switch {
	case err != nil:
	case !s.names(req.From):
		err = driver.ErrNotFound
	default:
		result.Version, err = s.Table.SaveRow(ctx, req, text)
		if errors.Is(err, driver.ErrNotFound) {
			if err = s.check(ctx, req.From.Verifier); err == nil {
				err = s.unchanged(ctx, &req, result.Version)
			}
		}
	}
	return result, s.wrap("save", err)
}

// unchanged returns nil if a save that seems to have found no row left it as it was, because it
// had its text already: with a trigger on the table MySQL does not tell the two apart.
func (s *Store) unchanged(ctx context.Context, req *driver.SaveRequest, version driver.Version) error {
	if version == req.Version && req.Verifier == req.From.Verifier {
		if now, err := s.load(ctx, req.Verifier); err == nil && now.Version == version {
			return nil
		}
	}
	return driver.ErrConflict
}

func (s *Store) Touch(ctx context.Context, req driver.TouchRequest) (none driver.SaveResult, err error) {
	err = driver.ErrNotFound
	if s.names(req.Ref) {
		var certain bool
		if certain, err = s.Table.TouchRow(ctx, req); err == nil && !certain {
			err = s.check(ctx, req.Verifier)
		}
	}
	return none, s.wrap("touch", err)
}

// check returns nil if the row is live.
func (s *Store) check(ctx context.Context, sid driver.Verifier) error {
	var yes bool
	return s.one(ctx, s.exists, s.Table.Args(sid), &yes)
}

func (s *Store) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "" || names.Check(req.User) != nil:
	case req.ID != "":
		if req.ID > req.After {
			rows, err = s.listOne(ctx, req.ID)
		}
	default:
		query := s.Statements.List[0]
		if req.User != "" {
			query = s.Statements.List[1]
		}
		rows, err = List(req, func(after driver.ID) ([]driver.Row, error) {
			return s.read(ctx, query, Quote(req.User), string(after), req.Limit)
		})
	}
	return rows, s.wrap("list", err)
}

func (s *Store) listOne(ctx context.Context, id driver.ID) (rows []driver.Row, err error) {
	found, err := s.find(ctx, id, condition{})
	if err == nil {
		rows, err = s.read(ctx, s.Statements.load, s.Table.Args(found.Sid)...)
	}
	if errors.Is(err, driver.ErrNotFound) {
		return nil, nil
	}
	return rows, err
}

// Page returns up to limit live rows whose sids are larger than after, in the order that
// the column of sids has. It reads them by the index of the primary key.
func (s *Store) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	rows, err := s.read(ctx, s.InOrder, s.Table.Args(after)[0], limit)
	return rows, s.wrap("page", err)
}

func (s *Store) Stats(ctx context.Context) (driver.Stats, error) {
	var n driver.Stats
	err := s.one(ctx, s.stats, nil, &n.Live, &n.Dead)
	return n, s.wrap("stats", err)
}

// Reap implements [driver.Store]. What it deletes, the Express application would delete
// too.
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	deleted, err := s.Table.ReapRows(ctx, req.Limit)
	return driver.ReapResult{Deleted: deleted, More: err == nil && deleted == req.Limit}, s.wrap("reap", err)
}
