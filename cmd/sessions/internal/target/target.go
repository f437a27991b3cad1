// Package target opens the database and the sessions table that a command works on, and
// explains the database's errors.
package target

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// Options are what the flags of all commands say.
type Options struct {
	URL           string `json:"-"` // "" for the variable DATABASE_URL
	Table, Schema string
	Timeout       time.Duration
	TimeoutSet    bool // by the user
}

// Format prints the table and nothing else, for every verb: the URL has a password in it.
func (o Options) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "target.Options(%s)", o.TableName())
}

// DatabaseURL is the flag or else the variable.
func (o Options) DatabaseURL() string { return cmp.Or(o.URL, os.Getenv("DATABASE_URL")) }

// TableName is the table as messages show it.
func (o Options) TableName() string { return strings.TrimPrefix(o.Schema+"."+o.Table, ".") }

// VersionTable is where the migrations that ran are recorded.
func (o Options) VersionTable() string { return o.Table + "_schema_migrations" }

// Command is another command for the same table, as messages show it.
func (o Options) Command(command string) string {
	line := "sessions " + command
	if o.Table != migrations.DefaultTable {
		line += " --table " + o.Table
	}
	if o.Schema != "" {
		line += " --schema " + o.Schema
	}
	return "`" + line + "`"
}

// A Job is what a command wants of the database.
type Job struct {
	Create bool                                // create the SQLite file if there is none
	Need   Need                                // the privileges
	OnStep func(step migrations.Step, up bool) // called for each migration that ran
}

// A Target is the database that a command works on, and its sessions table.
type Target struct {
	Options
	Address
	Role     string // the user as it stands in a GRANT
	DB       *sql.DB
	Store    sessions.Store
	Migrator *migrator.Migrator
	need     Need
}

// Open opens the database and makes sure that it answers.
func (o Options) Open(ctx context.Context, job Job) (*Target, error) {
	address, err := Parse(o.DatabaseURL())
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		return nil, fmt.Errorf("%w: --timeout must be more than 0, as in --timeout 30s", sessions.ErrInvalid)
	}
	if _, err := o.Steps(address.Dialect); err != nil {
		return nil, err
	}
	if address.file != "" {
		if err := o.createFile(ctx, address, job.Create); err != nil {
			return nil, err
		}
	}
	db, err := address.open(job.Create, o.Timeout)
	if err != nil {
		return nil, err
	}
	t := &Target{Options: o, Address: address, DB: db, need: job.Need, Role: roleOf(address.Dialect, address.User)}
	if err := t.connect(ctx, job); err != nil {
		_ = db.Close() // the first error is the one to report
		return nil, err
	}
	return t, nil
}

// Steps returns the migrations of the table. It refuses names that can't be used, before
// any message shows them.
func (o Options) Steps(dialect migrations.Dialect) ([]migrations.Step, error) {
	if dialect == migrations.SQLite && o.Schema != "" {
		return nil, fmt.Errorf("%w: --schema does not apply to SQLite, which has no schemas", sessions.ErrInvalid)
	}
	return migrations.Steps(dialect, o.Schema, o.Table)
}

// createFile makes sure that there is a SQLite file. SQLite itself would make one that
// everybody can read; this one is readable by its owner alone, and SQLite's logs take
// the mode of the file. What can be wrong with the URL is tried out in memory before.
func (o Options) createFile(ctx context.Context, address Address, create bool) error {
	file := address.file
	_, err := os.Stat(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return nil // SQLite reports what else is wrong with it
	}
	if !create {
		return fmt.Errorf("there is no file %s; %s creates it", file, o.Command("migrate up"))
	}
	if err := o.rehearse(ctx, address); err != nil {
		return err
	}
	empty, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil //nolint:nilerr // another process was faster, or SQLite reports what is wrong
	}
	return empty.Close()
}

// rehearse migrates a database in memory with the parameters of the URL.
func (o Options) rehearse(ctx context.Context, address Address) error {
	db, err := address.memory(o.Timeout)
	if err != nil {
		return err
	}
	defer db.Close()
	m, err := migrator.New(db, address.Dialect, migrator.Options{Table: o.Table})
	if err != nil {
		return err
	}
	_, err = m.Up(ctx)
	return (&Target{Options: o, Address: address}).Explain(err)
}

// connect makes the first connection, and what works on the table.
func (t *Target) connect(ctx context.Context, job Job) (err error) {
	o := migrator.Options{Table: t.Table, Schema: t.Schema, LockTimeout: t.Timeout, OnStep: job.OnStep}
	if job.Create && !t.TimeoutSet {
		o.LockTimeout = 0 // the default: the other migration may have much to do
	}
	t.Migrator, err = migrator.New(t.DB, t.Dialect, o)
	if err != nil {
		return err
	}
	switch t.Dialect {
	case migrations.PostgreSQL:
		t.Store, err = pgstore.New(t.DB).With(pgstore.Options{Table: t.Table, Schema: t.Schema})
	case migrations.MySQL:
		t.Store, err = mysqlstore.New(t.DB).With(mysqlstore.Options{Table: t.Table, Schema: t.Schema})
	default:
		t.Store, err = sqlitestore.New(t.DB).With(sqlitestore.Options{Table: t.Table})
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	// SQLite's busy timeout does not cover the switch to WAL, which fails at once while
	// another process is creating the same file.
	busy := func(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_BUSY }
	if err := retry.Do(ctx, math.MaxInt, busy, func() error { return t.DB.PingContext(ctx) }); err != nil {
		return t.Explain(err)
	}
	t.askRole(ctx)
	return nil
}

// Quoted is a table, or one beside it, as it stands in a statement.
func (t *Target) Quoted(name string) string {
	if t.Dialect == migrations.MySQL {
		return ident.Join(t.Schema, name, "`")
	}
	return ident.Join(t.Schema, name, `"`)
}
