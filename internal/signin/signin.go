// Package signin finds out, when a sign-in is stored, whether it may stand. What it asks
// the store comes after the sign-in's own row was committed, because a revocation commits
// its mark before it ends rows: so the sign-in sees the mark, or the revocation the row.
package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/gate"
)

const (
	// MarkLife is how long a revocation is noted, and Longest the longest sign-in that is
	// sure to find the note.
	MarkLife = 24 * time.Hour
	Longest  = MarkLife / 2

	// looks is how often a sign-in looks for a revocation that stands in its way. A pause
	// between the answer and the comparison makes a revocation look later than it was, so
	// the quickest of several decides.
	looks = 3
)

// A Start is when a sign-in began, and the revocations that its own request made.
type Start struct {
	Since time.Time
	Own   []int64 // the numbers of its marks, which stand in no sign-in's way
}

// Begin returns the start of a sign-in whose last request came at a certain time. It can't
// be later, whatever the clock of another machine says.
func Begin(since, request time.Time, own []int64) Start {
	if since.IsZero() || since.After(request) {
		since = request
	}
	return Start{since, own}
}

// Elapsed is how long ago it began. The monotonic clock stops while some machines sleep,
// and the wall clock can be set back.
func (b *Start) Elapsed() time.Duration {
	now := time.Now()
	return max(now.Sub(b.Since), now.Round(0).Sub(b.Since.Round(0)))
}

// revoked reports whether a revocation may have come after the sign-in began.
func revoked(ctx context.Context, store driver.Store, row *driver.Row, b Start) (bool, error) {
	for range looks {
		marks, err := store.Marks(ctx, driver.MarksRequest{ID: row.ID, User: row.User, Label: row.Label})
		if err != nil {
			return false, err
		}
		elapsed := b.Elapsed() // after the answer, so that a pause can only refuse
		if !slices.ContainsFunc(marks, func(m driver.SetMark) bool { return m.Age <= elapsed && !slices.Contains(b.Own, m.Number) }) {
			return false, nil
		}
	}
	return true, nil
}

// A Verdict is what becomes of a sign-in.
type Verdict int

const (
	Stays   Verdict = iota
	Revoked         // the user was revoked since it began
	TooMany         // the user has as many sessions as may be, and Limit.Refuse is set
	Over            // another request has ended the session by now
)

// Admit finds out what becomes of a sign-in whose row is stored. The limit is nil if it makes
// no session more.
func Admit(ctx context.Context, store driver.Store, row *driver.Row, began Start, limit *Limit) (Verdict, error) {
	if is, err := revoked(ctx, store, row, began); err != nil || is {
		return Revoked, err
	}
	if limit == nil {
		return Stays, nil
	}
	if err := limit.activate(ctx, store, row); err != nil {
		return Over, err
	}
	return limit.apply(ctx, store, row)
}

// Full reports whether the user has as many sessions as may be.
func Full(ctx context.Context, store driver.Store, user string, limit int) (bool, error) {
	rows, err := store.List(ctx, driver.ListRequest{User: user, Newest: true, Limit: limit})
	return len(rows) == limit && !rows[limit-1].Pending, err // the pending ones come last
}

// A Limit is how many sessions a user may have, and what becomes of those above it. The row
// of a sign-in is stored pending, and counts from when it is certain that the user was not
// revoked: otherwise sign-ins that are about to be refused could take the places of others.
type Limit struct {
	Max    int
	Refuse bool // refuse new ones, in place of ending the oldest
	Reason string
	Keep   time.Duration
	Life   driver.Life // of the row

	Ended func(driver.ID) // called for each session that ended to make room
}

func (l *Limit) activate(ctx context.Context, store driver.Store, row *driver.Row) error {
	result, err := store.Save(ctx, driver.SaveRequest{
		From: row.Ref, Version: row.Version, Verifier: row.Verifier,
		User: row.User, Label: row.Label, Data: row.Data, Life: l.Life,
	})
	if err == nil {
		row.Version, row.Pending = result.Version, false
	}
	return err
}

// page is how many sessions above the limit are listed at once.
const page = 100

// apply ends the oldest sessions of the row's user, until there are no more than may be. A
// session that has signed in again since is not the oldest any more, so each ends only in the
// version in which it was listed, and then they are listed again.
func (l *Limit) apply(ctx context.Context, store driver.Store, row *driver.Row) (Verdict, error) {
	for range gate.MaxTries {
		rows, err := store.List(ctx, driver.ListRequest{User: row.User, Newest: true, Limit: l.Max + page})
		full := len(rows) == l.Max+page
		rows = slices.DeleteFunc(rows, func(r driver.Row) bool { return r.Pending })
		switch {
		case err != nil:
			return Over, err
		case !slices.ContainsFunc(rows, func(r driver.Row) bool { return r.ID == row.ID }):
			if full { // it may be further down, and is above the limit
				err = l.endEach(ctx, store, []driver.Row{*row})
			}
			return Over, err
		case len(rows) <= l.Max:
			return Stays, nil
		case l.Refuse:
			return TooMany, nil
		}
		if err = l.endEach(ctx, store, rows[l.Max:]); err != nil {
			return Over, err
		}
	}
	return Over, fmt.Errorf("%w: other sign-ins of the user kept coming", driver.ErrConflict)
}

func (l *Limit) endEach(ctx context.Context, store driver.Store, rows []driver.Row) error {
	for i := range rows {
		err := store.End(ctx, driver.EndRequest{
			ID: rows[i].ID, Verifier: rows[i].Verifier, Version: rows[i].Version, Reason: l.Reason, Keep: l.Keep,
		})
		switch {
		case err == nil:
			l.Ended(rows[i].ID)
		case !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrConflict):
			return err
		}
	}
	return nil
}
