package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// A database is the one that the command works on, and its sessions table.
type database struct {
	*app
	address
	needs    need
	role     string // the user as it stands in a GRANT
	db       *sql.DB
	store    sessions.Store
	migrator *migrator.Migrator
}

// A job is what a command wants of the database.
type job struct {
	create bool                        // the SQLite file, if there is none
	needs  need                        // the privileges
	onStep func(migrations.Step, bool) // told of migrations as they run
}

// connect opens the database and makes sure that it answers.
func (a *app) connect(ctx context.Context, j job) (*database, error) {
	addr, err := parseURL(a.databaseURL())
	if err != nil {
		return nil, err
	}
	if a.timeout <= 0 {
		return nil, usagef("--timeout must be more than 0, as in --timeout 30s")
	}
	if addr.file != "" && a.schema != "" {
		return nil, usagef("--schema is not for SQLite, which has no schemas")
	}
	// Checks the names, before any message shows them.
	if _, err := migrations.Steps(addr.dialect, a.schema, a.table); err != nil {
		return nil, err
	}
	if addr.file != "" {
		if err := a.provide(addr.file, j.create); err != nil {
			return nil, err
		}
	}
	db, err := addr.open(j.create, a.timeout)
	if err != nil {
		return nil, err
	}
	d := &database{app: a, address: addr, db: db, needs: j.needs}
	d.role = d.nameInGrant(addr.user)
	o := migrator.Options{Table: a.table, Schema: a.schema, LockTimeout: a.timeout, OnStep: j.onStep}
	if j.create && !a.timeoutSet {
		o.LockTimeout = 0 // the default: the other one may have much to do
	}
	if err := d.use(ctx, o); err != nil {
		_ = db.Close() // what went wrong is known
		return nil, err
	}
	return d, nil
}

// provide sees that there is a SQLite file. What it makes is for its owner alone, while
// SQLite itself would let everybody read it; its logs take the file's mode.
func (a *app) provide(file string, create bool) error {
	_, err := os.Stat(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it SQLite says
	}
	if !create {
		return fmt.Errorf("there is no file %s; %s makes it", file, a.again("migrate up"))
	}
	empty, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil //nolint:nilerr // another process was faster, or SQLite says what is wrong
	}
	return empty.Close()
}

// use makes what works on the table, and the first connection.
func (d *database) use(ctx context.Context, o migrator.Options) (err error) {
	d.migrator, err = migrator.New(d.db, d.dialect, o)
	if err != nil {
		return err
	}
	switch d.dialect {
	case migrations.PostgreSQL:
		d.store, err = pgstore.New(d.db).With(pgstore.Options{Table: d.table, Schema: d.schema})
	case migrations.MySQL:
		d.store, err = mysqlstore.New(d.db).With(mysqlstore.Options{Table: d.table, Schema: d.schema})
	default:
		d.store, err = sqlitestore.New(d.db).With(sqlitestore.Options{Table: d.table})
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := d.ping(ctx); err != nil {
		return d.explain(err)
	}
	d.askRole(ctx)
	return nil
}

// ping connects. SQLite's busy timeout does not cover the switch to WAL, which
// fails at once while another process is making the same file.
func (d *database) ping(ctx context.Context) error {
	for {
		err := d.db.PingContext(ctx)
		if sqliteCode(err) != sqlite3.SQLITE_BUSY {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// sqliteCode is the primary result code of an error of SQLite's, or 0.
func sqliteCode(err error) int {
	var coded *sqlite.Error
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	return 0
}

// limit bounds a command that is over in no time unless something is wrong.
func (a *app) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.timeout)
}

// limitIfAsked bounds a command that may take long for good reason.
func (a *app) limitIfAsked(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.timeoutSet {
		return a.limit(ctx)
	}
	return context.WithCancel(ctx)
}
