package memstore

import (
	"bytes"
	"container/list"
	"crypto/subtle"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// A row's driver.Row is as it was last written. Its durations and Previous are not used.
type row struct {
	driver.Row
	expires, absolute time.Time
	renewed           time.Time // when it got its verifier
	previous          driver.Verifier
	previousUntil     time.Time
	ended             time.Time // zero: it has not
	reason            string
	keepUntil         time.Time
	place             *list.Element // in memory.used or memory.ended
}

func (r *row) live(now time.Time) bool { return r.ended.IsZero() && r.expires.After(now) }

func (r *row) kept(now time.Time) bool { return r.keepUntil.After(now) }

func (r *row) reapable(now time.Time) bool { return !r.live(now) && !r.kept(now) }

// at returns the row as a caller gets it.
func (r *row) at(now time.Time) driver.Row {
	row := r.Row
	row.Data = bytes.Clone(r.Data)
	row.ExpiresIn, row.AbsoluteIn = r.expires.Sub(now), r.absolute.Sub(now)
	row.LastSeenAge, row.VerifierAge = now.Sub(r.LastSeenAt), now.Sub(r.renewed)
	if !r.AuthenticatedAt.IsZero() {
		row.AuthenticatedAge = now.Sub(r.AuthenticatedAt)
	}
	return row
}

// extend notes that the row was used.
func (r *row) extend(now time.Time, life driver.Life) {
	if life.Absolute > 0 {
		r.absolute = now.Add(life.Absolute)
	}
	r.expires = now.Add(life.Idle)
	if r.absolute.Before(r.expires) {
		r.expires = r.absolute
	}
	r.LastSeenAt = now
}

func (r *row) write(now time.Time, life driver.Life, authenticated bool) {
	if authenticated {
		r.AuthenticatedAt = now
	}
	r.extend(now, life)
}

// replace makes the row's verifier the previous one.
func (r *row) replace(now time.Time, grace time.Duration) {
	r.renewed, r.previous, r.previousUntil = now, "", time.Time{}
	if grace > 0 {
		r.previous, r.previousUntil = r.Verifier, now.Add(grace)
	}
}

// end ends the row. What is left is its ID, its times and why it ended.
func (s *memory) end(r *row, now time.Time, reason string, keep time.Duration) {
	r.Row = driver.Row{
		Ref: driver.Ref{ID: r.ID}, Version: native.NewVersion(),
		CreatedAt: r.CreatedAt, LastSeenAt: r.LastSeenAt, AuthenticatedAt: r.AuthenticatedAt,
	}
	r.previous, r.previousUntil = "", time.Time{}
	r.ended, r.reason = now, reason
	if until := now.Add(keep); until.After(r.keepUntil) {
		r.keepUntil = until
	}
	s.used.Remove(r.place)
	r.place = s.ended.PushFront(r)
}

// newer is the order of a user's rows from the newest to the oldest.
func newer(a, b *row) int {
	if a.Pending != b.Pending {
		if b.Pending {
			return -1
		}
		return 1
	}
	if order := b.began().Compare(a.began()); order != 0 {
		return order
	}
	return compareIDs(b, a)
}

// began is when the row's user signed in, or when it was created.
func (r *row) began() time.Time {
	if r.AuthenticatedAt.IsZero() {
		return r.CreatedAt
	}
	return r.AuthenticatedAt
}

// proves takes the verifiers of package express too, which have any length.
func proves(client, row driver.Verifier) bool {
	return row != "" && subtle.ConstantTimeCompare([]byte(client), []byte(row)) == 1
}
