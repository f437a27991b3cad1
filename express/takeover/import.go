package takeover

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/internal/wire"
)

// pageSize is how many rows one statement reads.
const pageSize = 500

// A Report counts what [Import] found and did.
type Report struct {
	Read      int `json:"read"`      // live sessions in the old table
	Copied    int `json:"copied"`    // for the first time
	Updated   int `json:"updated"`   // changed in the old table since they were copied
	Unchanged int `json:"unchanged"` // copied before, or in use here
	Ended     int `json:"ended"`     // ended here, so not copied
	Skipped   int `json:"skipped"`   // can't be kept here; the log says why
	Removed   int `json:"removed"`   // copies whose original has ended
}

// Verified reports whether every live session of the old table that can be kept
// here is, unless it ended here.
func (r Report) Verified() bool {
	return r.Read == r.Copied+r.Updated+r.Unchanged+r.Ended+r.Skipped
}

// Import copies the live sessions of the old table for a manager that [New]
// returned, and leaves the old table as it is, so that the Express application can
// go on working. It can be stopped and run again: it does what is missing, brings
// copies up to date, and ends those whose original has ended. A session that ended here
// is not copied again. The copies do not count until [From].ImportedOnly is set. So run
// it for the last time when the Express application has stopped.
//
// [sessions.Manager.SessionsOf] lists the copies, and RevokeUser ends them.
//
// progress, unless nil, is called after each page of rows. Import needs some 30
// bytes of memory for each session.
func Import(ctx context.Context, m *sessions.Manager, progress func(Report)) (Report, error) {
	if progress == nil {
		progress = func(Report) {}
	}
	p, ok := wire.Inside(m).Predecessor.(*predecessor)
	if !ok {
		return Report{}, fmt.Errorf("takeover: %w: Import needs a manager of takeover.New", sessions.ErrInvalid)
	}
	from, ok := p.old.Store.(wire.Pager)
	if !ok {
		return Report{}, fmt.Errorf("takeover: %w: the old store can't be read in pages", sessions.ErrInvalid)
	}
	i := importer{predecessor: p, seen: map[uint64]struct{}{}, progress: progress}
	err := i.copyAll(ctx, from)
	if err == nil {
		err = i.removeEnded(ctx)
	}
	return i.Report, p.here.Error("import", err)
}

type importer struct {
	*predecessor
	Report
	seen     map[uint64]struct{} // IDs of successors, shortened
	progress func(Report)
}

// short returns bits of the ID that are random.
func short(id driver.ID) uint64 {
	b, _ := uuid.Parse(string(id))
	return binary.BigEndian.Uint64(b[8:])
}

func (i *importer) copyAll(ctx context.Context, from wire.Pager) error {
	for after := driver.Verifier(""); ; {
		rows, err := from.Page(ctx, after, pageSize)
		if err != nil {
			return reported(err)
		}
		for _, row := range rows {
			after = row.Verifier
			if err := i.copy(ctx, row); err != nil {
				return err
			}
		}
		i.progress(i.Report)
		if len(rows) < pageSize {
			return nil
		}
	}
}

func (i *importer) copy(ctx context.Context, row driver.Row) error {
	i.Read++
	s := i.successorOf(row.Ref)
	next, err := i.translate(row)
	if err != nil {
		i.skip("it can't be kept here", row.ID, err)
		return nil
	}
	if names := i.leftBehind(row); len(names) > 0 {
		i.here.Logger().Warn(leftBehindText, "id", s.ref.ID, "names", names)
	}
	i.seen[short(s.ref.ID)] = struct{}{}

	c := i.newCopy(row, next)
	if next.Data, err = c.noted(i.here.Protocol.Member()); err != nil {
		return err
	}
	made, err := i.here.Store.Create(ctx, driver.CreateRequest{
		Ref: s.ref, User: next.User, Data: next.Data, Life: c.life(), Pending: true, Keep: i.keep(),
	})
	switch {
	case err == nil:
		return i.unlessRevoked(ctx, driver.Row{Ref: s.ref, Version: made.Version, User: next.User})
	case errors.Is(err, driver.ErrExists):
		return i.renew(ctx, s, c, next)
	}
	return err
}

func (i *importer) skip(why string, id driver.ID, err error) {
	i.Skipped++
	i.here.Logger().Warn("sessions: a session was not imported: "+why, "id", id, "error", err)
}

// unlessRevoked keeps a new copy, unless its user was revoked: it could not be activated.
func (i *importer) unlessRevoked(ctx context.Context, row driver.Row) error {
	marks, err := i.here.Store.Marks(ctx, driver.MarksRequest{ID: row.ID, User: row.User})
	if err != nil || len(marks) == 0 {
		i.Copied++
		return err
	}
	i.Ended++
	err = i.end(ctx, row.ID, row.Version, string(sessions.ReasonRevokedUser))
	if errors.Is(err, sessions.ErrConflict) || errors.Is(err, sessions.ErrNotFound) { // another one ended it
		return nil
	}
	return err
}

// renew brings a copy up to date, if that is what is in the successor's place.
func (i *importer) renew(ctx context.Context, s *successor, c copyOf, next driver.Row) error {
	rows, err := i.here.Store.List(ctx, driver.ListRequest{ID: s.ref.ID, Limit: 1})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		i.Ended++
		return nil
	}
	there := rows[0]
	doc, _, err := i.here.Decode(there)
	if err != nil { // a later version of the program wrote it, or it is damaged
		i.skip("what is there already can't be read", there.ID, err)
		return nil
	}
	was := noteIn(doc)
	if was.Digest != c.note.Digest && s.was != s.aside {
		// What the Express application saved late does not count.
		switch _, err := i.old.Store.Load(ctx, s.aside); {
		case err == nil:
			i.Unchanged++
			return nil
		case !errors.Is(err, sessions.ErrNotFound):
			return reported(err)
		}
	}
	switch {
	case was.Digest == "" || !there.Pending: // in use here, and the old table has no say in it any more
		i.Unchanged++
		return nil
	case was.Digest != c.note.Digest:
		i.Updated++
	default:
		i.Unchanged++
		if c.left-left(there, doc) < max(i.here.TouchInterval, time.Second) {
			return nil
		}
	}
	next.Pending = true
	err = i.save(ctx, there, next, c.life())
	if errors.Is(err, sessions.ErrConflict) || errors.Is(err, sessions.ErrNotFound) { // its user came
		return nil
	}
	return err
}

// removeEnded ends the copies whose original was not seen.
func (i *importer) removeEnded(ctx context.Context) error {
	for req := (driver.ListRequest{All: true, Limit: pageSize}); ; {
		rows, err := i.here.Store.List(ctx, req)
		if err != nil {
			return err
		}
		for _, row := range rows {
			req.After = row.ID
			if _, seen := i.seen[short(row.ID)]; seen || !row.Pending {
				continue
			}
			doc, _, err := i.here.Decode(row)
			if err != nil || doc.Get(imported) == nil {
				continue
			}
			if err := i.remove(ctx, row); err != nil {
				return err
			}
		}
		if len(rows) < pageSize {
			i.progress(i.Report)
			return nil
		}
	}
}

// remove ends a copy, unless a request is taking it over: that one finds the original set
// aside. If it has deleted that by now, the copy has changed since it was listed.
func (i *importer) remove(ctx context.Context, row driver.Row) error {
	switch _, err := i.old.Store.Load(ctx, i.aside(row.Ref)); {
	case err == nil:
		return nil
	case !errors.Is(err, sessions.ErrNotFound):
		return reported(err)
	}
	err := i.end(ctx, row.ID, row.Version, string(sessions.ReasonGone))
	if errors.Is(err, sessions.ErrConflict) || errors.Is(err, sessions.ErrNotFound) {
		return nil
	}
	if err == nil {
		i.Removed++
	}
	return err
}
