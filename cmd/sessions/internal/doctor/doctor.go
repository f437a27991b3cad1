// Package doctor checks whether a database and its sessions table are as the store needs
// them: the checks are listed in checks.go.
package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/product"
	"github.com/sqlsessions/sessions/migrations"
)

// An engine is what the checks need to know of one kind of database.
type engine struct {
	is         engines
	begin      string            // makes a transaction harmless
	lead       []any             // arguments that the driver wants before those of a query
	names      *strings.Replacer // fills in the names that queries contain, such as $TABLE
	product    func(a, b string) product.Server
	columnType func(wantedColumn) string
	ask        queries
	repair     repairs
}

// queries are what all engines are asked, in the words of each.
type queries struct {
	server    string // two texts that tell product and version
	clock     string // microseconds since 1970
	isolation string // a name that means nothing, the level
	columns   string // name, type, nullable, has a default, the default
	indexes   string // name, unique, in use, key columns, all columns it depends on, condition, how to put it back in use
	due       string // rows that a reaper should have deleted up to countLimit, age of the oldest in ms
	newest    string // of the newest rows by ID: how many, live, live in a later format, largest data, data over 1 MiB
}

// repairs are pieces of advice.
type repairs struct {
	addPrimary string // where the primary key is missing
	dropIndex  string // with a place for the name
	indexCost  string // of an index on what changes with each request
}

var dialects = map[migrations.Dialect]func(*target.Target) engine{
	migrations.PostgreSQL: newPostgres,
	migrations.MySQL:      newMySQL,
	migrations.SQLite:     newSQLite,
}

// A Conn is what checks ask the database through.
type Conn struct {
	*target.Target
	engine
	has needs   // what the columns check found
	tx  *sql.Tx // of the check that runs, begun with its first query
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
		report.add(found)
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
			return named(check.Name, note(check.Name+" was not checked: columns are missing", "correct the columns first", nil)), nil
		}
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	found, err := check.Run(ctx, c)
	if c.tx != nil {
		_ = c.tx.Rollback() // it only read
		c.tx = nil
	}
	var lost lostError
	switch {
	case err == nil:
	case errors.As(err, &lost):
		return nil, lost.error
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		found = append(found, note(fmt.Sprintf("%s was not checked: it took longer than %s", check.Name, c.Timeout), "give it more time with --timeout", nil)...)
	case target.Denied(err):
		found = append(found, note(fmt.Sprintf("%s was not checked: user %q lacks the privilege", check.Name, c.User), c.grant("SELECT", "$TABLE"), nil)...)
	default:
		found = append(found, warning(fmt.Sprintf("%s could not be checked: %s", check.Name, target.OneLine(target.Cause(err))), "correct that, and run it again", nil)...)
	}
	return named(check.Name, found), nil
}

// grant is the statement that gives the user a privilege.
func (c *Conn) grant(privilege, on string) string {
	return c.names.Replace(fmt.Sprintf("GRANT %s ON %s TO %s", privilege, on, c.Role))
}

// start begins a transaction in which nothing can be changed.
func (c *Conn) start(ctx context.Context) error {
	if c.tx != nil {
		return nil
	}
	tx, err := c.DB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		if ctx.Err() != nil { // it had to wait too long
			return err
		}
		return lostError{err}
	}
	c.tx = tx
	_, err = tx.ExecContext(ctx, c.begin)
	return err
}

// get reads the one row of a query.
func (c *Conn) get(ctx context.Context, query string, dest ...any) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.tx.QueryRowContext(ctx, c.names.Replace(query), c.lead...).Scan(dest...)
}

// each calls row for each row of a query.
func (c *Conn) each(ctx context.Context, query string, row func(scan func(...any) error) error) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	rows, err := c.tx.QueryContext(ctx, c.names.Replace(query), c.lead...)
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
