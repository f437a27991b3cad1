package testbed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/migrations"
)

// Day is the life of a new row. AnHour leaves a row its absolute limit.
var (
	Day    = driver.Life{Idle: time.Hour, Absolute: 24 * time.Hour}
	AnHour = driver.Life{Idle: time.Hour}
)

// RandomVerifier returns the verifier of no token.
func RandomVerifier() driver.Verifier {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return driver.Verifier(b[:])
}

// NewRow returns a row that is in no store yet.
func NewRow(data string) driver.Row {
	return driver.Row{Ref: driver.Ref{ID: driver.ID(uuid.Format(uuid.New())), Verifier: RandomVerifier()}, Data: []byte(data)}
}

// Create, Save, Renew, Touch, End, EndUser, Count and Reap call a store with few arguments.
func Create(ctx context.Context, s sessions.Store, r driver.Row, life driver.Life) (driver.Version, error) {
	result, err := s.Create(ctx, driver.CreateRequest{Ref: r.Ref, User: r.User, Label: r.Label, Data: r.Data, Life: life})
	return result.Version, err
}

// Insert creates the row and returns it with its version.
func Insert(t testing.TB, s sessions.Store, r driver.Row) driver.Row {
	t.Helper()
	var err error
	r.Version, err = Create(t.Context(), s, r, Day)
	Check(t, err)
	return r
}

// Save saves r over the row at r's version.
func Save(ctx context.Context, s sessions.Store, r driver.Row, life driver.Life) (driver.Version, error) {
	return Renew(ctx, s, r, r.Verifier, life)
}

// Renew is Save with a new verifier.
func Renew(ctx context.Context, s sessions.Store, r driver.Row, to driver.Verifier, life driver.Life) (driver.Version, error) {
	result, err := s.Save(ctx, driver.SaveRequest{
		From: r.Ref, Version: r.Version, Verifier: to, User: r.User, Label: r.Label, Data: r.Data, Life: life,
	})
	return result.Version, err
}

// Touch moves the expiry.
func Touch(ctx context.Context, s sessions.Store, ref driver.Ref, life driver.Life) error {
	_, err := s.Touch(ctx, driver.TouchRequest{Ref: ref, Life: life})
	return err
}

// End ends a session.
func End(ctx context.Context, s sessions.Store, id driver.ID) error {
	return s.End(ctx, driver.EndRequest{ID: id})
}

// EndUser ends a user's sessions, with exceptions.
func EndUser(ctx context.Context, s sessions.Store, user string, except ...driver.ID) (int, error) {
	result, err := s.EndAll(ctx, driver.EndAllRequest{User: user, Except: except, Limit: 1000})
	return result.Ended, err
}

// Count returns the number of live rows, and of expired rows that a reaper would remove.
func Count(ctx context.Context, s sessions.Store) (live, dead int, err error) {
	stats, err := s.Stats(ctx)
	return stats.Live, stats.Dead, err
}

// Reap removes one batch.
func Reap(ctx context.Context, s sessions.Store, limit int) (int, error) {
	result, err := s.Reap(ctx, driver.ReapRequest{Limit: limit})
	return result.Deleted, err
}

// Literal returns the ID as an SQL literal.
func (c *Conns) Literal(id driver.ID) string {
	if c.Dialect == migrations.PostgreSQL {
		return "'" + string(id) + "'"
	}
	return "x'" + strings.ReplaceAll(string(id), "-", "") + "'"
}

// ReadID returns the ID in a column.
func ReadID(column []byte) driver.ID {
	if len(column) == uuid.Size {
		return driver.ID(uuid.Format([uuid.Size]byte(column)))
	}
	return driver.ID(column) // drivers for PostgreSQL return text
}

// Change updates the row with SQL.
func (tab *Table) Change(t testing.TB, id driver.ID, set string) {
	t.Helper()
	result, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET "+set+" WHERE id = "+tab.Literal(id))
	Check(t, err)
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("SET %s changed %d rows, %v", set, n, err)
	}
}

// Blob returns bytes as an SQL literal.
func (c *Conns) Blob(b string) string {
	if c.Dialect == migrations.PostgreSQL {
		return "'\\x" + hex.EncodeToString([]byte(b)) + "'"
	}
	return "x'" + hex.EncodeToString([]byte(b)) + "'"
}
