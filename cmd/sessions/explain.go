package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// explain says what an error of the database means and what to do about it. What
// it does not know it returns as it is.
func (d *database) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, migrator.ErrDirty):
		return fmt.Errorf("a migration of table %s stopped half-way: compare the table with what %s shows, put it right by hand, and note the version it is at then with %s",
			d.tableName(), d.again("migrate print"), d.again("migrate force VERSION"))
	case errors.Is(err, migrator.ErrNewer):
		return fmt.Errorf("the schema of table %s is newer than this program: use the newer `sessions` program (%s shows the versions)",
			d.tableName(), d.again("migrate status"))
	case errors.Is(err, migrator.ErrTaken):
		return d.taken(err)
	case errors.Is(err, migrator.ErrDevelopment):
		return errors.New(d.developmentTable() + ": " + d.beginAgain())
	case errors.Is(err, migrator.ErrServer):
		return fmt.Errorf("%s: %w", d.where, cause(err))
	case strings.Contains(err.Error(), "another migration is running"):
		if d.file != "" { // where it may be any other writer
			return d.locked()
		}
		return fmt.Errorf("another migration of table %s is running: wait until it is done, and try again", d.tableName())
	case errors.Is(err, sessions.ErrSchema):
		return fmt.Errorf("table %s is missing, or its columns do not fit: run %s (%w)", d.tableName(), d.again("migrate up"), cause(err))
	}
	if why := d.explainCode(err); why != nil {
		return why
	}
	var netErr net.Error
	var lookup *net.DNSError
	switch {
	case code(err) != "": // of several attempts, the one that the server answered
		return fmt.Errorf("%s at %s: %w", d.name, d.where, cause(err))
	case d.file != "" && errors.Is(err, context.DeadlineExceeded):
		return d.locked()
	case errors.As(err, &lookup):
		return fmt.Errorf("there is no host %q, or its name can't be looked up: check the host in the database URL (%w)", lookup.Name, cause(err))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Errorf("no answer from %s at %s within %s: check host and port, and that it is not busy or locked; --timeout gives it more time", d.name, d.where, d.timeout)
	case errors.As(err, &netErr):
		return fmt.Errorf("can't reach %s at %s: check that it runs, and host and port (%w)", d.name, d.where, cause(err))
	case strings.Contains(err.Error(), "ValidateConnect failed"): // behind which may stand that another attempt had no TLS
		return fmt.Errorf("%s at %s is not a server that target_session_attrs in the database URL asks for: use the primary's address (%w)", d.name, d.where, cause(err))
	case strings.Contains(err.Error(), "server refused TLS connection"), strings.Contains(err.Error(), "TLS requested but server does not support TLS"):
		return fmt.Errorf("%s at %s does not offer TLS: turn it on there, or change the parameter in the database URL (sslmode for PostgreSQL, tls for MySQL)", d.name, d.where)
	}
	return fmt.Errorf("%s at %s: %w", d.name, d.where, err)
}

// explainCode explains what the database gave a code for.
func (d *database) explainCode(err error) error {
	switch code(err) {
	case "28P01", "28000", "1045", "1698":
		return fmt.Errorf("%s at %s refuses user %q: check user and password in the database URL (%w)", d.name, d.where, d.user, cause(err))
	case "3D000", "1049":
		return fmt.Errorf("%s at %s has no such database: check the name, or make it first (%w)", d.name, d.where, cause(err))
	case "1046":
		return errors.New("the database URL names no database: add it, as in mysql://host/db, or give --schema")
	case "3F000":
		return fmt.Errorf("there is no such schema: make it first, with CREATE SCHEMA, or check --schema (%w)", cause(err))
	case "1044": // also what MySQL says of a database that is not there
		return fmt.Errorf("user %q may not use the database, or there is none of that name: check user and database in the URL, or run %s (%w)", d.user, d.grantsNeeded(), cause(err))
	case "25006", "1792", "1836": // read-only transaction, and MySQL's read-only mode
		return d.readOnly(err)
	case "1290":
		if text := err.Error(); strings.Contains(text, "read-only") || strings.Contains(text, "read_only") {
			return d.readOnly(err)
		}
	case "53300", "1040", "1203", "1226":
		return fmt.Errorf("%s at %s has no connection left for user %q: end some that are idle, make the pools of the applications smaller, or raise the limit (%w)", d.name, d.where, d.user, cause(err))
	case "42P07", "1050":
		return d.taken(err)
	}
	if denied(err) {
		doing := ""
		if d.needs == looking {
			doing = ", so that its version can't be known"
		}
		return fmt.Errorf("user %q lacks a privilege%s: run %s (%w)", d.user, doing, d.grantsNeeded(), cause(err))
	}
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("can't open %s: check that its folder exists, and the permissions of both", d.file)
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a SQLite database: check the path", d.file)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s is read-only: check the permissions of the file and its folder", d.file)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT: // the second by the timeout
		return d.locked()
	case sqlite3.SQLITE_ERROR:
		if strings.Contains(err.Error(), "already exists") {
			return d.taken(err)
		}
	}
	return nil
}

func (d *database) taken(err error) error {
	return fmt.Errorf("something that a migration makes exists already: if table %s is another program's, as Express's is, choose another name with --table; if it was made for this one by other means, note its version with %s (%w)",
		d.tableName(), d.again("migrate force VERSION"), cause(err))
}

func (d *database) developmentTable() string {
	return fmt.Sprintf("table %s was made by a development version of this program, and no migration leads on from it", d.tableName())
}

func (d *database) beginAgain() string {
	return fmt.Sprintf("run DROP TABLE %s; DROP TABLE IF EXISTS %s, which ends its sessions, and then %s; or leave it there and choose another name with --table",
		d.quoted(d.table), d.quoted(d.table+"_schema_migrations"), d.again("migrate up"))
}

func (d *database) readOnly(err error) error {
	return fmt.Errorf("%s at %s takes no changes, for it is a read-only replica or was made read-only: use the primary's address (%w)", d.name, d.where, cause(err))
}

func (d *database) locked() error {
	return fmt.Errorf("%s is locked: another program has been writing to it for too long; --timeout waits longer", d.file)
}

// code is PostgreSQL's SQLSTATE or MySQL's error number.
func code(err error) string {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &pg):
		return pg.Code
	case errors.As(err, &my):
		return fmt.Sprint(my.Number)
	}
	return ""
}

// cause is the innermost error: what the database or the system said.
func cause(err error) error {
	for {
		switch wrapper := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() error }:
			if wrapper.Unwrap() == nil {
				return err
			}
			err = wrapper.Unwrap()
		case interface{ Unwrap() []error }: // the last is the most particular
			all := wrapper.Unwrap()
			err = all[len(all)-1]
		default:
			return err
		}
	}
}
