package row

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/names"
)

// A condition is what a row must be to be ended.
type condition struct {
	user    *string        // whose it is, unless nil
	version driver.Version // unless zero
}

// check returns the version of a row with this text, [driver.ErrNotFound] if it is another
// user's, or [driver.ErrConflict] if it has another version.
func (c condition) check(text []byte) (driver.Version, error) {
	version := Version(text)
	if c.user != nil {
		if _, err := Owned(text, *c.user); err != nil {
			return 0, err
		}
	}
	if c.version != 0 && c.version != version {
		return 0, driver.ErrConflict
	}
	return version, nil
}

// End implements [driver.Store]. With the verifier it finds the row by the primary
// key; without, it reads the whole table.
func (s *Store) End(ctx context.Context, req driver.EndRequest) error {
	var err error
	found, must := Found{req.Verifier, req.Version}, condition{req.User, req.Version}
	switch {
	case req.User != nil && names.Check(*req.User) != nil:
		err = driver.ErrNotFound
	case req.Verifier == "":
		found, err = s.find(ctx, req.ID, must)
	case !s.names(driver.Ref{ID: req.ID, Verifier: req.Verifier}):
		err = driver.ErrNotFound
	}
	if err == nil {
		err = s.end(ctx, found, must)
	}
	if errors.Is(err, driver.ErrConflict) { // unless it is dead, which makes no difference to which version it has
		err = cmp.Or(s.check(ctx, found.Sid), err)
	}
	return s.wrap("end", err)
}

// find returns the row with the derived ID, dead or alive, if it meets the condition.
func (s *Store) find(ctx context.Context, id driver.ID, must condition) (found Found, err error) {
	if !id.Valid() {
		return found, driver.ErrNotFound
	}
	var text []byte
	err = s.one(ctx, s.byID, []any{string(id)}, &found.Sid, &text)
	if err == nil {
		found.Version, err = must.check(text)
	}
	return found, err
}

// end deletes a row, dead or alive. With a condition it must have the version at which
// it was found to meet it; if it has changed since, it is read again.
func (s *Store) end(ctx context.Context, found Found, must condition) error {
	return Until(func() (bool, error) {
		var version any
		if must != (condition{}) {
			version = int64(found.Version)
		}
		deleted, live, err := s.Table.EndRow(ctx, found.Sid, version)
		switch {
		case deleted && !live:
			return true, driver.ErrNotFound
		case deleted || err != nil:
			return true, err
		}
		var text []byte
		err = s.one(ctx, s.text, s.Table.Args(found.Sid), &text)
		if err == nil {
			found.Version, err = must.check(text)
		}
		return false, err
	})
}

// EndAll implements [driver.Store]. It ends rows as it finds them, so there is no last one
// to go on after, and it does not look at After.
func (s *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
	err = req.Check()
	switch {
	case err != nil || req.Label != "" || names.Check(req.User) != nil:
	case req.All:
		result.Ended, err = s.Table.EndRows(ctx, req.Except, req.Limit)
	default:
		result.Ended, err = EndUser(req, func(each func(driver.Verifier, []byte)) error {
			return s.Table.Query(ctx, s.byUser, []any{Quote(req.User)}, func(scan func(...any) error) error {
				var sid driver.Verifier
				var text []byte
				err := scan(&sid, &text)
				if err == nil {
					each(sid, text)
				}
				return err
			})
		}, func(found Found) error { return s.end(ctx, found, condition{user: &req.User}) })
	}
	result.More = err == nil && result.Ended == req.Limit
	return result, s.wrap("end all", err)
}

// Marks implements [driver.Store]. The table has no room for any.
func (s *Store) Marks(ctx context.Context, _ driver.MarksRequest) ([]driver.SetMark, error) {
	return nil, s.wrap("marks", context.Cause(ctx))
}

// manySids is how many rows one statement looks for.
const manySids = 500

// Endings implements [driver.Store]. It finds rows by their verifiers. One that was ended is
// not there any more.
func (s *Store) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	ids, sids := map[driver.Verifier]driver.ID{}, []driver.Verifier(nil)
	var endings []driver.Ending
	for _, ref := range refs {
		switch {
		case !s.names(ref):
			endings = append(endings, driver.Ending{ID: ref.ID, Gone: true})
		case ids[ref.Verifier] == "":
			ids[ref.Verifier] = ref.ID
			sids = append(sids, ref.Verifier)
		}
	}
	for len(sids) > 0 {
		n := min(manySids, len(sids))
		err := s.Table.FindRows(ctx, sids[:n], func(scan func(...any) error) error {
			var sid driver.Verifier
			var live bool
			var expiry int64
			err := scan(&sid, &live, &expiry)
			if id := ids[sid]; id != "" && !live {
				endings = append(endings, driver.Ending{ID: id, Idle: true, At: time.UnixMicro(expiry)})
			}
			delete(ids, sid)
			return err
		})
		if err != nil {
			return nil, s.wrap("endings", err)
		}
		sids = sids[n:]
	}
	for _, id := range ids {
		endings = append(endings, driver.Ending{ID: id, Gone: true})
	}
	return endings, nil
}
