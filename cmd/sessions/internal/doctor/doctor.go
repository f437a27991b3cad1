// Package doctor checks whether a database and its sessions table are as the store needs
// them: the checks are listed in checks.go.
package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/product"
	"github.com/sqlsessions/sessions/migrations"
)

// An engine is what the checks need to know of one kind of database.
type engine struct {
	is      engines
	begin   string            // makes a transaction harmless
	lead    []any             // arguments that the driver wants before those of a query
	names   *strings.Replacer // see names
	product func(a, b string) product.Server
	sqlType func(string) string // a type in a migration, as the catalog has it
	// Queries:
	server    string // two texts that tell product and version
	clock     string // microseconds since 1970
	isolation string // a name that means nothing, the level
	columns   string // name, type, nullable, has a default, the default
	indexes   string // name, unique, in use, key columns, all columns it depends on, condition, how to put it back in use
	due       string // rows that a reaper should have deleted up to $LIMIT, age of the oldest in ms
	newest    string // of the $LIMIT newest rows by ID: how many, live, live in a later format, largest data, data over 1 MiB
	// Advice:
	addPrimary string // where the primary key is missing
	dropIndex  string // with a place for the name
	indexCost  string // of an index on what changes with each request
}

var dialects = map[migrations.Dialect]func(*target.Target) engine{
	migrations.PostgreSQL: newPostgres,
	migrations.MySQL:      newMySQL,
	migrations.SQLite:     newSQLite,
}

// names fills in what queries and advice contain in capitals.
func names(t *target.Target, more ...string) *strings.Replacer {
	return strings.NewReplacer(append(more, "$TABLE", t.Quoted(t.Table), "$NAME", t.Table, "$VERSIONS", t.Quoted(t.VersionTable()),
		"$FORMAT", strconv.Itoa(native.Format), "$LIMIT", strconv.Itoa(countLimit))...)
}

// A Conn is what checks ask the database through. A query that fails is remembered, and
// those after it do nothing, so that a check need not look at errors.
type Conn struct {
	*target.Target
	engine
	has    needs           // what the columns check found
	abroad int             // how many of the tables it consists of are on another server
	ctx    context.Context // of the check that runs
	tx     *sql.Tx         // begun with its first query
	err    error           // of its first query that failed
}

// Run runs all checks. A check that fails is a finding, like any other; an error means
// that the connection is lost.
func Run(ctx context.Context, t *target.Target) (*Report, error) {
	c := &Conn{Target: t, engine: dialects[t.Dialect](t)}
	report := &Report{At: t.Where, Table: t.TableName()}
	for _, check := range checks {
		if check.Engines&c.is == 0 {
			continue
		}
		found, err := c.run(ctx, check)
		if ctx.Err() != nil { // a signal
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, t.Explain(err)
		}
		report.add(check.Name, found)
	}
	report.Database = t.Name
	return report, nil
}

// Misfits says what is wrong with the columns of the table. If they can't be read, it
// says nothing.
func Misfits(ctx context.Context, t *target.Target) (wrong []string) {
	c := &Conn{Target: t, engine: dialects[t.Dialect](t)}
	found, _ := c.run(ctx, Check{"columns", all, aConnection, checkColumns})
	for _, f := range found {
		if f.Status == Error {
			wrong = append(wrong, f.Text)
		}
	}
	return wrong
}

// A lostError ends the run: no transaction can be begun.
type lostError struct{ error }

// run runs one check within --timeout. The error is a lostError.
func (c *Conn) run(ctx context.Context, check Check) ([]Finding, error) {
	if check.Needs > c.has {
		if check.Needs == allColumns && c.has == theTable {
			return note(check.Name+" was not checked: columns are missing", "correct the columns first", nil), nil
		}
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	c.ctx, c.tx, c.err = ctx, nil, nil
	found := check.Run(c)
	if c.tx != nil {
		_ = c.tx.Rollback() // it only read
	}
	var lost lostError
	switch {
	case c.err == nil:
	case errors.As(c.err, &lost):
		return nil, lost.error
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		found = note(fmt.Sprintf("%s was not checked: it took longer than %s", check.Name, c.Timeout), "give it more time with --timeout", nil)
	case target.Denied(c.err):
		found = note(fmt.Sprintf("%s was not checked: user %q lacks the privilege", check.Name, c.User), c.grant("SELECT", "$TABLE"), nil)
	default:
		found = warning(fmt.Sprintf("%s could not be checked: %s", check.Name, target.OneLine(target.Cause(c.err))), "correct that, and run it again", nil)
	}
	return found, nil
}

// grant is the statement that gives the user a privilege.
func (c *Conn) grant(privilege, on string) string {
	return c.names.Replace(fmt.Sprintf("GRANT %s ON %s TO %s", privilege, on, c.Role))
}

// start begins a transaction in which nothing can be changed, and reports whether it can
// be used.
func (c *Conn) start() bool {
	if c.tx != nil || c.err != nil {
		return c.err == nil
	}
	c.tx, c.err = c.DB.BeginTx(c.ctx, &sql.TxOptions{ReadOnly: true})
	switch {
	case c.err == nil:
		_, c.err = c.tx.ExecContext(c.ctx, c.begin)
	case c.ctx.Err() == nil: // it did not just have to wait too long
		c.err = lostError{c.err}
	}
	return c.err == nil
}

// get reads the one row of a query.
func (c *Conn) get(query string, dest ...any) {
	if c.start() {
		c.err = c.tx.QueryRowContext(c.ctx, c.names.Replace(query), c.lead...).Scan(dest...)
	}
}

// each reads the rows of a query, and calls row after each.
func (c *Conn) each(query string, row func(), dest ...any) {
	if !c.start() {
		return
	}
	rows, err := c.tx.QueryContext(c.ctx, c.names.Replace(query), c.lead...)
	if err != nil {
		c.err = err
		return
	}
	defer rows.Close()
	for rows.Next() {
		if c.err = rows.Scan(dest...); c.err != nil {
			return
		}
		row()
	}
	c.err = rows.Err()
}
