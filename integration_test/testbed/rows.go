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

// What tests ask of a store, in fewer words.

// Day is the life of a new row, and anHour that of a row which keeps its absolute limit.
var (
	Day    = driver.Life{Idle: time.Hour, Absolute: 24 * time.Hour}
	AnHour = driver.Life{Idle: time.Hour}
)

func RandomVerifier() driver.Verifier {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return driver.Verifier(b[:])
}

// NewRow returns one that no store has yet.
func NewRow(data string) driver.Row {
	return driver.Row{Ref: driver.Ref{ID: driver.ID(uuid.Format(uuid.New())), Verifier: RandomVerifier()}, Data: []byte(data)}
}

func Create(ctx context.Context, s sessions.Store, r driver.Row, life driver.Life) (driver.Version, error) {
	result, err := s.Create(ctx, driver.CreateRequest{Ref: r.Ref, User: r.User, Label: r.Label, Data: r.Data, Life: life})
	return result.Version, err
}

// Insert returns the row with the version that it has when it is created.
func Insert(t testing.TB, s sessions.Store, r driver.Row) driver.Row {
	t.Helper()
	var err error
	r.Version, err = Create(t.Context(), s, r, Day)
	Check(t, err)
	return r
}

// Save saves what r holds, at the version that it has.
func Save(ctx context.Context, s sessions.Store, r driver.Row, life driver.Life) (driver.Version, error) {
	return Renew(ctx, s, r, r.Verifier, life)
}

// Renew is save with another verifier.
func Renew(ctx context.Context, s sessions.Store, r driver.Row, to driver.Verifier, life driver.Life) (driver.Version, error) {
	result, err := s.Save(ctx, driver.SaveRequest{
		From: r.Ref, Version: r.Version, Verifier: to, User: r.User, Label: r.Label, Data: r.Data, Life: life,
	})
	return result.Version, err
}

func Touch(ctx context.Context, s sessions.Store, ref driver.Ref, life driver.Life) error {
	_, err := s.Touch(ctx, driver.TouchRequest{Ref: ref, Life: life})
	return err
}

func End(ctx context.Context, s sessions.Store, id driver.ID) error {
	return s.End(ctx, driver.EndRequest{ID: id})
}

func EndUser(ctx context.Context, s sessions.Store, user string, except ...driver.ID) (int, error) {
	return s.EndAll(ctx, driver.EndAllRequest{User: user, Except: except, Limit: 1000})
}

// Count returns how many rows are live, and how many dead ones a reaper would remove.
func Count(ctx context.Context, s sessions.Store) (live, dead int, err error) {
	stats, err := s.Stats(ctx)
	return stats.Live, stats.Dead, err
}

// Reap makes one batch.
func Reap(ctx context.Context, s sessions.Store, limit int) (int, error) {
	result, err := s.Reap(ctx, driver.ReapRequest{Limit: limit})
	return result.Deleted, err
}

// Literal is the ID as it stands in a statement of SQL.
func (c *Conns) Literal(id driver.ID) string {
	if c.Dialect == migrations.PostgreSQL {
		return "'" + string(id) + "'"
	}
	return "x'" + strings.ReplaceAll(string(id), "-", "") + "'"
}

// ReadID makes an ID of what a column of them holds.
func ReadID(column []byte) driver.ID {
	if len(column) == uuid.Size {
		return driver.ID(uuid.Format([uuid.Size]byte(column)))
	}
	return driver.ID(column) // as drivers for PostgreSQL give it
}

// Change changes the row by SQL.
func (tab *Table) Change(t testing.TB, id driver.ID, set string) {
	t.Helper()
	result, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET "+set+" WHERE id = "+tab.Literal(id))
	Check(t, err)
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("SET %s changed %d rows, %v", set, n, err)
	}
}

// Blob is bytes as they stand in a statement of SQL.
func (c *Conns) Blob(b string) string {
	if c.Dialect == migrations.PostgreSQL {
		return "'\\x" + hex.EncodeToString([]byte(b)) + "'"
	}
	return "x'" + hex.EncodeToString([]byte(b)) + "'"
}
