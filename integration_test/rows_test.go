package integration_test

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

// day is the life of a new row, and anHour that of a row which keeps its absolute limit.
var (
	day    = driver.Life{Idle: time.Hour, Absolute: 24 * time.Hour}
	anHour = driver.Life{Idle: time.Hour}
)

func randomVerifier() driver.Verifier {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return driver.Verifier(b[:])
}

// newRow returns one that no store has yet.
func newRow(data string) driver.Row {
	return driver.Row{Ref: driver.Ref{ID: driver.ID(uuid.Format(uuid.New())), Verifier: randomVerifier()}, Data: []byte(data)}
}

func create(ctx context.Context, s sessions.Store, r driver.Row, life driver.Life) (driver.Version, error) {
	result, err := s.Create(ctx, driver.CreateRequest{Ref: r.Ref, User: r.User, Label: r.Label, Data: r.Data, Life: life})
	return result.Version, err
}

// insert returns the row with the version that it has when it is created.
func insert(t testing.TB, s sessions.Store, r driver.Row) driver.Row {
	t.Helper()
	var err error
	r.Version, err = create(t.Context(), s, r, day)
	check(t, err)
	return r
}

// save saves what r holds, at the version that it has.
func save(ctx context.Context, s sessions.Store, r driver.Row, life driver.Life) (driver.Version, error) {
	return renew(ctx, s, r, r.Verifier, life)
}

// renew is save with another verifier.
func renew(ctx context.Context, s sessions.Store, r driver.Row, to driver.Verifier, life driver.Life) (driver.Version, error) {
	result, err := s.Save(ctx, driver.SaveRequest{
		From: r.Ref, Version: r.Version, Verifier: to, User: r.User, Label: r.Label, Data: r.Data, Life: life,
	})
	return result.Version, err
}

func touch(ctx context.Context, s sessions.Store, ref driver.Ref, life driver.Life) error {
	_, err := s.Touch(ctx, driver.TouchRequest{Ref: ref, Life: life})
	return err
}

func end(ctx context.Context, s sessions.Store, id driver.ID) error {
	return s.End(ctx, driver.EndRequest{ID: id})
}

func endUser(ctx context.Context, s sessions.Store, user string, except ...driver.ID) (int, error) {
	return s.EndAll(ctx, driver.EndAllRequest{User: user, Except: except, Limit: 1000})
}

// count returns how many rows are live, and how many dead ones a reaper would remove.
func count(ctx context.Context, s sessions.Store) (live, dead int, err error) {
	stats, err := s.Stats(ctx)
	return stats.Live, stats.Dead, err
}

// reap makes one batch.
func reap(ctx context.Context, s sessions.Store, limit int) (int, error) {
	result, err := s.Reap(ctx, driver.ReapRequest{Limit: limit})
	return result.Deleted, err
}

// literal is the ID as it stands in a statement of SQL.
func (c *conns) literal(id driver.ID) string {
	if c.dialect == migrations.PostgreSQL {
		return "'" + string(id) + "'"
	}
	return "x'" + strings.ReplaceAll(string(id), "-", "") + "'"
}

// readID makes an ID of what a column of them holds.
func readID(column []byte) driver.ID {
	if len(column) == uuid.Size {
		return driver.ID(uuid.Format([uuid.Size]byte(column)))
	}
	return driver.ID(column) // as drivers for PostgreSQL give it
}

// change changes the row by SQL.
func (tab *table) change(t testing.TB, id driver.ID, set string) {
	t.Helper()
	result, err := tab.db.ExecContext(t.Context(), "UPDATE "+tab.name+" SET "+set+" WHERE id = "+tab.literal(id))
	check(t, err)
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("SET %s changed %d rows, %v", set, n, err)
	}
}

// blob is bytes as they stand in a statement of SQL.
func (c *conns) blob(b string) string {
	if c.dialect == migrations.PostgreSQL {
		return "'\\x" + hex.EncodeToString([]byte(b)) + "'"
	}
	return "x'" + hex.EncodeToString([]byte(b)) + "'"
}
