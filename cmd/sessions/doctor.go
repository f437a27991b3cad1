package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/migrations"
)

func newDoctor(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the database and say what is not well",
		Long: `Examines the server, the connection, the table and what is in it, and says what is
not well and what to do about it. It changes nothing. --timeout limits each check;
--quiet leaves out what is well.

Give it the URL that your application uses: some findings are about its user. A
check that this user may not make is a note that says which grant it needs.

Exit codes: 0 well, or notes only; 1 could not connect; 5 warnings; 6 errors.

With --json it prints one object: database, at, table, errors, warnings, notes,
and findings, each with check, status (ok, note, warning or error), text, advice
("" for none), and, where there is one, value.`,
		Example: `  sessions doctor
  sessions doctor --schema auth --table web_sessions
  sessions doctor --json --timeout 5s`,
		Args: cobra.NoArgs,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			d, err := a.connect(ctx, job{})
			if err != nil {
				return err
			}
			defer d.db.Close()
			doc := &doctor{database: d, practice: practices[d.dialect](d)}
			if err := doc.examine(ctx); err != nil {
				return err
			}
			return doc.report.print(cmd.OutOrStdout(), d, asJSON)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// The checks that several engines have, by the names that --json prints.
const (
	checkServer   = "server"
	checkPrimary  = "primary"
	checkTLS      = "tls"
	checkClock    = "clock"
	checkSettings = "settings"
	checkColumns  = "columns"
	checkSchema   = "schema"
	checkIndexes  = "indexes"
	checkStorage  = "storage"
	checkGrants   = "grants"
	checkWidth    = "width"
	checkContent  = "content"
	checkFormat   = "format"
	checkSize     = "size"
)

// A practice is how one engine is examined.
type practice struct {
	exams  []exam
	begin  []string          // statements that make a transaction harmless
	lead   []any             // arguments that the driver wants before those of a query
	names  *strings.Replacer // $TABLE quoted, $NAME bare, $SCHEMA an expression, $FORMAT the newest that is known
	wanted []column          // as the migrations make them
	sql    tableSQL

	addPrimary   string // what to do where the primary key is missing
	indexCost    string // of an index over what moves with each request
	enable, drop string // what puts index %s back in use, if it can be, and what drops it
}

var practices = map[migrations.Dialect]func(*database) practice{
	migrations.PostgreSQL: newPostgresPractice,
	migrations.MySQL:      newMySQLPractice,
	migrations.SQLite:     newSQLitePractice,
}

// An exam is one check.
type exam struct {
	name string
	run  func(context.Context, *examination) error
	// onTable: without the table there is nothing to look at, and that it is
	// missing has been said.
	onTable bool
}

// A doctor is what the exams share.
type doctor struct {
	*database
	practice
	report findings
	there  bool  // the table
	fits   bool  // it has all columns
	old    bool  // a development version made it
	rows   int64 // about how many
}

// An examination is one exam as it runs.
type examination struct {
	*doctor
	name string
	tx   *sql.Tx // begun at the first query
}

// examine runs all exams. One that can't be made is a finding, like any other.
func (d *doctor) examine(ctx context.Context) error {
	for _, e := range d.exams {
		if e.onTable && !d.there {
			continue
		}
		err := d.run(ctx, e)
		if ctx.Err() != nil { // a signal
			return ctx.Err()
		}
		var lost lostError
		if errors.As(err, &lost) {
			return d.explain(lost.error)
		}
	}
	return nil
}

// A lostError ends the whole: there is no transaction to be had.
type lostError struct{ error }

func (d *doctor) run(ctx context.Context, e exam) error {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	x := &examination{doctor: d, name: e.name}
	err := e.run(ctx, x)
	if x.tx != nil {
		_ = x.tx.Rollback() // it read only
	}
	var lost lostError
	switch {
	case err == nil || errors.As(err, &lost):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		x.note(fmt.Sprintf("%s: not examined, for it took longer than %s", e.name, d.timeout), "give it more time with --timeout", nil)
	case denied(err):
		x.note(fmt.Sprintf("%s: not examined, for user %q lacks the privilege", e.name, d.user),
			x.grant(needed[0], "$TABLE"), nil)
	default:
		x.warn(fmt.Sprintf("%s: could not be examined: %s", e.name, oneLine(cause(err))), "see to that, and run it again", nil)
	}
	return nil
}

// denied holds for errors that are about a privilege.
func denied(err error) bool {
	return slices.Contains(deniedCodes, code(err))
}

// grant is the statement that gives the user a privilege.
func (x *examination) grant(privilege, on string) string {
	return x.names.Replace(fmt.Sprintf("GRANT %s ON %s TO %s", privilege, on, x.role))
}

// start begins a transaction in which nothing can be changed.
func (x *examination) start(ctx context.Context) error {
	if x.tx != nil {
		return nil
	}
	tx, err := x.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		if ctx.Err() != nil { // it had to wait too long
			return err
		}
		return lostError{err}
	}
	x.tx = tx
	for _, statement := range x.begin {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// get reads the one row of a query.
func (x *examination) get(ctx context.Context, query string, dest ...any) error {
	if err := x.start(ctx); err != nil {
		return err
	}
	return x.tx.QueryRowContext(ctx, x.names.Replace(query), x.lead...).Scan(dest...)
}

// each calls row for each row of a query.
func (x *examination) each(ctx context.Context, query string, row func(scan func(...any) error) error) error {
	if err := x.start(ctx); err != nil {
		return err
	}
	rows, err := x.tx.QueryContext(ctx, x.names.Replace(query), x.lead...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
