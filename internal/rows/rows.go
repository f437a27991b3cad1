// Package rows has what a manager works out about rows, whatever is in them.
package rows

import (
	"context"
	"crypto/hmac"
	"errors"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// Aged returns a row as it is a while after it was read.
func Aged(row driver.Row, age time.Duration) driver.Row {
	row.ExpiresIn -= age
	row.AbsoluteIn -= age
	row.LastSeenAge += age
	row.AuthenticatedAge += age
	row.VerifierAge += age
	return row
}

// Used notes in a row that it was used at a certain time, and lives on from then.
func Used(row *driver.Row, now time.Time, life driver.Life) {
	row.ExpiresIn = min(life.Idle, row.AbsoluteIn)
	row.LastSeenAt, row.LastSeenAge = now.Round(0), 0
}

// LastSeen returns when a row was last used, by its expiry if the store does not note it: that
// has been counted from then, for idle.
func LastSeen(row driver.Row, idle time.Duration, now time.Time) time.Time {
	if !row.LastSeenAt.IsZero() {
		return row.LastSeenAt
	}
	seen := now.Add(-max(idle-row.ExpiresIn, 0)).Round(0)
	if seen.Before(row.CreatedAt) {
		return row.CreatedAt
	}
	return seen
}

// CreateAgain saves over the row of an earlier create whose answer was lost, and returns
// taken if there is none. Its token was never sent, so no other request can have changed it.
func CreateAgain(ctx context.Context, store driver.Store, req driver.CreateRequest, taken error) (driver.SaveResult, error) {
	mine, err := own(ctx, store, req)
	if errors.Is(err, driver.ErrNotFound) {
		return driver.SaveResult{}, taken
	}
	if err != nil {
		return driver.SaveResult{}, err
	}
	return store.Save(ctx, driver.SaveRequest{
		From: req.Ref, Version: mine.Version, Verifier: req.Verifier,
		User: req.User, Label: req.Label, Data: req.Data, Life: req.Life, Authenticated: req.Authenticated, Pending: req.Pending,
	})
}

// own returns the row that the request has made, if it has. Load finds no pending one.
func own(ctx context.Context, store driver.Store, req driver.CreateRequest) (driver.Row, error) {
	if !req.Pending {
		return store.Load(ctx, req.Ref)
	}
	found, err := store.List(ctx, driver.ListRequest{ID: req.ID, Limit: 1})
	if err == nil && (len(found) == 0 || !hmac.Equal([]byte(found[0].Verifier), []byte(req.Verifier))) {
		err = driver.ErrNotFound
	}
	if err != nil {
		return driver.Row{}, err
	}
	return found[0], nil
}
