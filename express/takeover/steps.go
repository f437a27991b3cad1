package takeover

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
)

// maxUnknown bounds how often a take-over looks again because the answer of a statement
// was lost.
const maxUnknown = 3

// takeOver returns the row of the session that the old cookie opens.
func (s *successor) takeOver(ctx context.Context) (driver.Row, error) {
	nowhere, unknown := false, 0 // nowhere: in the old table there was nothing to take over
	for range maxLooks {
		at, row, doc, err := s.look(ctx)
		switch {
		case err != nil:
			return driver.Row{}, err
		case at == inUse && accepts(row, doc):
			return row, nil
		case at == inUse, at == over:
			return driver.Row{}, sessions.ErrNotFound
		case at == copied && s.ImportedOnly && !s.Lives(row, doc):
			return driver.Row{}, sessions.ErrNotFound
		case at == pending, at == copied && s.ImportedOnly:
			err = s.activate(ctx, row, doc)
		case nowhere, s.ImportedOnly:
			return driver.Row{}, sessions.ErrNotFound
		default:
			nowhere, err = s.move(ctx, row)
		}
		switch {
		case err == nil, errors.Is(err, sessions.ErrConflict), errors.Is(err, driver.ErrExists):
		case errors.Is(err, sessions.ErrNotFound) && !errors.Is(err, errUnfit): // another request went on with it
		case known(err):
			return driver.Row{}, err
		default: // it may have been carried out
			if unknown++; unknown == maxUnknown || ctx.Err() != nil {
				return driver.Row{}, err
			}
		}
	}
	return driver.Row{}, errBusy
}

// known reports whether nothing has happened, and nothing will if it is tried again.
func known(err error) bool {
	for _, k := range []error{errUnfit, sessions.ErrTooLarge, sessions.ErrSchema, sessions.ErrValue, sessions.ErrInvalid} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// move stores what the old table has in the successor's place, where there is nothing or a
// copy. It returns true if that table has nothing. It looks for the row first under the
// sid that it has first: so a row that moves on in between is found, and one that is not
// found was deleted, after another request had activated the successor.
func (s *successor) move(ctx context.Context, there driver.Row) (nowhere bool, err error) {
	row, err := s.setAside(ctx)
	if errors.Is(err, sessions.ErrNotFound) {
		row, err = s.old.Store.Load(ctx, s.aside)
	}
	switch {
	case errors.Is(err, errUnfit):
		return false, err
	case errors.Is(err, sessions.ErrNotFound):
		return true, nil
	case err != nil:
		return false, reported(err)
	}
	next, err := s.translate(row)
	if err != nil {
		return false, s.unfit(ctx, row, err)
	}
	if names := s.leftBehind(row); len(names) > 0 {
		s.behind.Log(ctx, s.here.Logger(), slog.LevelWarn, leftBehindText, "id", s.ref.ID, "names", names)
	}
	life := s.life(row, next.User)
	if there.ID == "" {
		_, err = s.here.Store.Create(ctx, driver.CreateRequest{
			Ref: s.ref, User: next.User, Data: next.Data, Life: life, Pending: true, Keep: s.keep(),
		})
		return false, err
	}
	return false, s.save(ctx, there, driver.Row{User: next.User, Label: there.Label, Data: next.Data, Pending: true}, life)
}

// setAside gives the old row another sid, and returns it as it was. The error wraps
// ErrNotFound if there is none, or if there is a row aside already: then that is the one
// to go on with, because the other was written by a late save of the Express application.
func (s *successor) setAside(ctx context.Context) (driver.Row, error) {
	for range maxLooks {
		row, err := s.old.Store.Load(ctx, s.was)
		if err != nil {
			return row, err
		}
		if _, err := s.translate(row); err != nil {
			return row, s.unfit(ctx, row, err)
		}
		_, err = s.old.Store.Save(ctx, driver.SaveRequest{
			From: s.was, Version: row.Version, Verifier: s.aside.Verifier,
			User: row.User, Data: row.Data, Life: driver.Life{Idle: row.ExpiresIn},
		})
		switch {
		case errors.Is(err, driver.ErrExists):
			return row, sessions.ErrNotFound
		case !errors.Is(err, sessions.ErrConflict):
			return row, err
		}
	}
	return driver.Row{}, errBusy
}

// errUnfit is why a session stays where it is.
var errUnfit = errors.New("it can't be kept here")

// unfit returns that the old session does not exist, as far as the client is concerned.
func (s *successor) unfit(ctx context.Context, row driver.Row, why error) error {
	s.unfitted.Log(ctx, s.here.Logger(), slog.LevelError, "sessions: an old session can't be taken over and was left in its table", "id", row.ID, "error", why)
	return errors.Join(sessions.ErrNotFound, errUnfit)
}

// activate makes the successor an ordinary session, unless it was revoked: by any
// revocation that is noted, because nothing tells whether the old session began later.
func (s *successor) activate(ctx context.Context, row driver.Row, doc document.Document) error {
	marks, err := s.here.Store.Marks(ctx, driver.MarksRequest{ID: row.ID, User: row.User, Label: row.Label})
	switch {
	case err != nil:
		return err
	case len(marks) > 0:
		err = s.end(ctx, row.ID, row.Version, string(sessions.ReasonRevokedUser))
	default:
		life := s.life(row, row.User)
		life.Idle = s.idle(row.User, left(row, doc))
		used := row
		used.Pending, used.Data = false, doc.Without(imported).With(second, unused).Encode()
		err = s.save(ctx, row, used, life)
	}
	if err == nil && !s.ImportedOnly {
		s.deleteOld(ctx, s.aside)
	}
	return err
}

// deleteOld deletes a row of the old table. It matters little if that fails: what is to be
// prevented, the successor's row prevents.
func (s *successor) deleteOld(ctx context.Context, ref driver.Ref) {
	err := s.old.Store.End(ctx, driver.EndRequest{ID: ref.ID, Verifier: ref.Verifier, Reason: string(Reason), Keep: time.Second})
	if err != nil && !errors.Is(err, sessions.ErrNotFound) {
		s.here.Logger().Warn("sessions: an old row was taken over and could not be deleted", "id", ref.ID, "error", err)
	}
}

// life is how long what was taken over lives, if it is this user's or a visitor's.
func (p *predecessor) life(row driver.Row, user string) driver.Life {
	return driver.Life{Idle: p.idle(user, row.ExpiresIn), Absolute: p.here.Lifetime}
}

// idle returns what is left of an old session as an idle timeout here.
func (p *predecessor) idle(user string, left time.Duration) time.Duration {
	if limit := p.here.AnonymousTimeout; user == "" && limit > 0 {
		left = min(left, limit)
	}
	return p.lasts(left)
}

func (p *predecessor) lasts(left time.Duration) time.Duration {
	return min(max(left, time.Second), p.here.Lifetime)
}

// save replaces a row of ours, in the version that it has.
func (p *predecessor) save(ctx context.Context, there, row driver.Row, life driver.Life) error {
	_, err := p.here.Store.Save(ctx, driver.SaveRequest{
		From: there.Ref, Version: there.Version, Verifier: there.Verifier,
		User: row.User, Label: row.Label, Data: row.Data, Life: life, Pending: row.Pending,
	})
	return err
}

// end ends a row of ours, in this version unless it is zero.
func (p *predecessor) end(ctx context.Context, id driver.ID, version driver.Version, reason string) error {
	return p.here.Store.End(ctx, driver.EndRequest{ID: id, Version: version, Reason: reason, Keep: p.keep()})
}
