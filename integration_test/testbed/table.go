package testbed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// A Table is a migrated table that only one test uses, with a store on it.
type Table struct {
	*Conns
	Name  string
	Store sessions.Store
}

// NewTable connects and makes a table.
func (b Backend) NewTable(t testing.TB) *Table {
	t.Helper()
	return b.Connect(t).NewTable(t)
}

// NewTable makes a table with the migrations. It is dropped after the test.
func (c *Conns) NewTable(t testing.TB) *Table {
	t.Helper()
	tab := c.named()
	m, err := migrator.New(c.DB, c.Dialect, migrator.Options{Table: tab.Name})
	Check(t, err)
	_, err = m.Up(t.Context())
	Check(t, err)
	tab.dropped(t, tab.Name, tab.Name+"_schema_migrations")
	tab.Store = c.OpenStore(t, tab.Name)
	return tab
}

// named returns a table with an unused name, which does not exist yet.
func (c *Conns) named() *Table {
	var random [6]byte
	_, _ = rand.Read(random[:])
	return &Table{Conns: c, Name: "t_" + hex.EncodeToString(random[:])}
}

// Another makes an empty table like tab. On a server this takes one statement, where the
// migrations take about twenty.
func (tab *Table) Another(t testing.TB) *Table {
	t.Helper()
	like := map[migrations.Dialect]string{
		migrations.PostgreSQL: "CREATE TABLE %s (LIKE %s INCLUDING ALL)",
		migrations.MySQL:      "CREATE TABLE %s LIKE %s",
	}[tab.Dialect]
	if like == "" {
		return tab.NewTable(t)
	}
	other := tab.named()
	_, err := tab.DB.ExecContext(t.Context(), fmt.Sprintf(like, other.Name, tab.Name))
	Check(t, err)
	other.dropped(t, other.Name)
	other.Store = tab.OpenStore(t, other.Name)
	return other
}

// dropped drops the tables after the test.
func (c *Conns) dropped(t testing.TB, names ...string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, name := range names {
			_, _ = c.DB.ExecContext(ctx, "DROP TABLE "+name)
		}
	})
}

// OneByOne makes the stores of servers send each call by itself.
var OneByOne bool

// OpenStore opens the backend's store on a table.
func (c *Conns) OpenStore(t testing.TB, name string) (s sessions.Store) {
	t.Helper()
	var err error
	switch {
	case c.Pool != nil:
		s, err = pgstore.NewPool(c.Pool).With(pgstore.Options{Table: name, OneByOne: OneByOne})
	case c.Dialect == migrations.PostgreSQL:
		s, err = pgstore.New(c.DB).With(pgstore.Options{Table: name, OneByOne: OneByOne})
	case c.Dialect == migrations.MySQL:
		s, err = mysqlstore.New(c.DB).With(mysqlstore.Options{Table: name, OneByOne: OneByOne})
	default:
		s, err = sqlitestore.New(c.DB).With(sqlitestore.Options{Table: name})
	}
	Check(t, err)
	return s
}

// Age makes all rows older by d.
func (tab *Table) Age(t testing.TB, d time.Duration) {
	t.Helper()
	back := map[migrations.Dialect]string{
		migrations.PostgreSQL: "%[1]s = %[1]s - interval '%[2]d milliseconds'",
		migrations.MySQL:      "%[1]s = %[1]s - INTERVAL %[2]d * 1000 MICROSECOND",
		migrations.SQLite:     "%[1]s = %[1]s - %[2]d",
	}[tab.Dialect]
	var set []string
	for _, column := range []string{
		"created_at", "absolute_expires_at", "expires_at", "seen_at", "reap_after",
		"authenticated_at", "verifier_at", "ended_at", "keep_until", "previous_until",
	} {
		set = append(set, fmt.Sprintf(back, column, d.Milliseconds()))
	}
	_, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET "+strings.Join(set, ", "))
	Check(t, err)
}

// Rows counts all rows, expired ones included.
func (tab *Table) Rows(t testing.TB) (n int) {
	t.Helper()
	Check(t, tab.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.Name).Scan(&n))
	return n
}

// Live returns how many sessions are live.
func (tab *Table) Live(t testing.TB) int {
	t.Helper()
	stats, err := tab.Store.Stats(t.Context())
	Check(t, err)
	return stats.Live
}
