package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// Explain says what an error of the database means and what to do about it. An error
// that it does not know is returned with the database that it came from.
func (t *Target) Explain(err error) error {
	var netErr net.Error
	var lookup *net.DNSError
	at := t.Name + " at " + t.Where
	because := func(format string, args ...any) error {
		return fmt.Errorf("%s (%w)", fmt.Sprintf(format, args...), Cause(err))
	}
	inFile := t.file != ""
	switch code := sqliteCode(err); {
	case err == nil:
		return nil
	case errors.Is(err, migrator.ErrDirty):
		return fmt.Errorf("a migration of table %s stopped half-way: %s", t.TableName(), t.RepairAdvice())
	case errors.Is(err, migrator.ErrNewer):
		return fmt.Errorf("the schema of table %s is newer than this program: use the newer `sessions` program (%s shows the versions)",
			t.TableName(), t.Command("migrate status"))
	case errors.Is(err, migrator.ErrTaken), pgerr.TableExists(err), myerr.TableExists(err),
		code == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "already exists"):
		return because("a table or index that a migration creates exists already: if table %s is another program's, such as Express's, "+
			"choose another name with --table; if it was created for this one by other means, record its version with %s; "+
			"if it is an index of a table that was renamed, rename or drop that too",
			t.TableName(), t.Command("migrate force VERSION"))
	case errors.Is(err, migrator.ErrDevelopment):
		problem, advice := t.DevelopmentTable()
		return errors.New(problem + ": " + advice)
	case errors.Is(err, migrator.ErrServer):
		return fmt.Errorf("%s: %w", t.Where, Cause(err))
	case errors.Is(err, sessions.ErrSchema):
		return because("table %s is missing, or its columns do not fit: run %s", t.TableName(), t.Command("migrate up"))
	case code == sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("can't open %s: check that its folder exists, and the permissions of both", t.file)
	case code == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a SQLite database: check the path", t.file)
	case code == sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s is read-only: check the permissions of the file and its folder", t.file)
	// Any other program that writes to the file looks like another migration. The timeout interrupts.
	case code == sqlite3.SQLITE_BUSY, code == sqlite3.SQLITE_INTERRUPT, inFile && errors.Is(err, context.DeadlineExceeded),
		inFile && strings.Contains(err.Error(), "another migration is running"):
		return fmt.Errorf("%s is locked: another program has been writing to it for too long; --timeout waits longer", t.file)
	case strings.Contains(err.Error(), "another migration is running"):
		return fmt.Errorf("another migration of table %s is running: wait until it is done, and try again", t.TableName())
	case pgerr.WrongLogin(err), myerr.WrongLogin(err):
		return because("%s refuses user %q: check user and password in the database URL", at, t.User)
	case pgerr.NoDatabase(err), myerr.NoDatabase(err):
		return because("%s has no such database: check the name, or create it first", at)
	case myerr.NoDatabaseNamed(err):
		return errors.New("the database URL names no database: add it, as in mysql://host/db, or give --schema")
	case pgerr.NoSchema(err):
		return because("there is no such schema: create it first, with CREATE SCHEMA, or check --schema")
	case myerr.DatabaseDenied(err):
		return because("user %q may not use the database, or there is none of that name: check user and database in the URL, or run %s", t.User, t.grants())
	case pgerr.ReadOnly(err), myerr.ReadOnly(err):
		return because("%s is read-only, as a replica is: use the primary's address", at)
	case pgerr.TooManyConnections(err), myerr.TooManyConnections(err):
		return because("%s has no connection left for user %q: close idle ones, make the applications' pools smaller, or raise the limit", at, t.User)
	case Denied(err):
		doing := ""
		if t.need == ReadVersion {
			doing = ", so its version can't be known"
		}
		return because("user %q lacks a privilege%s: run %s", t.User, doing, t.grants())
	case pgerr.State(err) != "", myerr.Number(err) != 0: // of several attempts to connect, the one that the server answered
		return fmt.Errorf("%s: %w", at, Cause(err))
	case errors.As(err, &lookup):
		return because("there is no host %q, or its name can't be looked up: check the host in the database URL", lookup.Name)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Errorf("no answer from %s within %s: check host and port, and that it is not busy or locked; --timeout gives it more time", at, t.Timeout)
	case errors.As(err, &netErr):
		return because("can't reach %s: check that it is running, and host and port", at)
	case strings.Contains(err.Error(), "ValidateConnect failed"): // the text may go on to say that another attempt had no TLS
		return because("%s is not the kind of server that target_session_attrs in the database URL asks for: use the primary's address", at)
	case strings.Contains(err.Error(), "server refused TLS connection"), strings.Contains(err.Error(), "TLS requested but server does not support TLS"):
		return fmt.Errorf("%s does not offer TLS: turn it on there, or change the parameter in the database URL (sslmode for PostgreSQL, tls for MySQL)", at)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// RepairAdvice says what to do after a migration stopped half-way.
func (t *Target) RepairAdvice() string {
	return fmt.Sprintf("compare the table with what %s shows, correct it by hand, and then record its version with %s",
		t.Command("migrate print"), t.Command("migrate force VERSION"))
}

// DevelopmentTable says of a table made by a development version what is wrong and what to do.
func (t *Target) DevelopmentTable() (problem, advice string) {
	return fmt.Sprintf("table %s was made by a development version of this program, and no migration updates it", t.TableName()),
		fmt.Sprintf("run DROP TABLE %s; DROP TABLE IF EXISTS %s, which ends its sessions, and then %s; or leave it there and choose another name with --table",
			t.Quoted(t.Table), t.Quoted(t.VersionTable()), t.Command("migrate up"))
}

// Denied reports whether the user lacks a privilege.
func Denied(err error) bool { return pgerr.Denied(err) || myerr.Denied(err) }

// sqliteCode is the primary result code of one of SQLite's errors, or 0.
func sqliteCode(err error) int {
	var coded *sqlite.Error
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	return 0
}

// Cause is the innermost error: what the database or the system said.
func Cause(err error) error {
	for {
		switch wrapper := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() error }:
			if wrapper.Unwrap() == nil {
				return err
			}
			err = wrapper.Unwrap()
		case interface{ Unwrap() []error }: // the last is the most specific
			all := wrapper.Unwrap()
			err = all[len(all)-1]
		default:
			return err
		}
	}
}

// packages begin errors and mean nothing to the user of a command.
var packages = regexp.MustCompile(`^(?:(?:sessions|invalid option or argument|reaper|migrator|migrations|(?:pg|mysql|sqlite)store|takeover|pgsimple|mysqlsession|open): )+`)

// OneLine is the text of err without the packages it came through.
func OneLine(err error) string {
	return packages.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "")
}

// Plural is 1 session, 2 sessions.
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
