package doctor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// A column is as the catalog describes it.
type column struct {
	name, typ  string
	nullable   bool
	hasDefault bool
	preset     string // the default
}

// A line of the statement that creates the table: name, type, NOT NULL, default.
var createColumn = regexp.MustCompile("(?m)^ +[`\"](\\w+)[`\"] +(.+?)( NOT NULL| NULL)?(?: DEFAULT (\\w+)| PRIMARY KEY| CHECK .*)?,?$")

// wanted returns the columns as the migrations make them.
func (c *Conn) wanted() (columns []column) {
	steps, _ := c.Steps(c.Dialect) // the names have been checked
	for _, line := range createColumn.FindAllStringSubmatch(steps[0].Up, -1) {
		typ := c.sqlType(strings.Join(strings.Fields(line[2]), " "))
		columns = append(columns, column{line[1], typ, line[3] != " NOT NULL", line[4] != "", line[4]})
	}
	return columns
}

// presetValue is the default, which each product writes in its own way.
func (c column) presetValue() string {
	text, _, _ := strings.Cut(c.preset, "::")
	text = strings.ToLower(strings.Trim(text, "'() "))
	if text == "false" {
		return "0"
	}
	return text
}

// checkColumns compares the columns with those that the migrations make.
func checkColumns(c *Conn) (found []Finding) {
	status, err := c.Migrator.Status(c.ctx)
	var have []column
	var one column
	c.each(c.columns, func() { have = append(have, one) }, &one.name, &one.typ, &one.nullable, &one.hasDefault, &one.preset)
	switch {
	case len(have) == 0 && err == nil && status.Version > 0:
		return failure(fmt.Sprintf("table %s is missing, although it is recorded at version %d", c.TableName(), status.Version),
			"if it was dropped or renamed, run "+c.Command("migrate force 0")+", and then "+c.Command("migrate up")+"; otherwise check the user's grants", nil)
	case len(have) == 0:
		return failure(fmt.Sprintf("table %s is missing, or this user may not see it", c.TableName()),
			"run "+c.Command("migrate up")+", or check --table and --schema, or grant the user what docs/operations.md lists", nil)
	case errors.Is(err, migrator.ErrDevelopment):
		problem, advice := c.DevelopmentTable()
		return failure(problem, advice, nil)
	}
	for _, look := range []func([]column) []Finding{c.notATable, c.anothers} {
		if unfit := look(have); unfit != nil {
			return unfit
		}
	}
	var missing []string
	for _, want := range c.wanted() {
		i := slices.IndexFunc(have, func(one column) bool { return one.name == want.name })
		if i < 0 {
			missing = append(missing, want.name)
			continue
		}
		found = append(found, c.compare(have[i], want)...)
		have = slices.Delete(have, i, i+1)
	}
	c.has = theTable
	switch len(missing) {
	case 0:
		c.has = allColumns
	case 1:
		found = append(found, failure(fmt.Sprintf("column %s is missing", missing[0]), "add it as "+c.Command("migrate print")+" shows it", missing)...)
	default:
		found = append(found, failure(fmt.Sprintf("columns %s are missing", strings.Join(missing, ", ")),
			"make the table as "+c.Command("migrate print")+" shows it", missing)...)
	}
	for _, extra := range have {
		if !extra.nullable && !extra.hasDefault {
			found = append(found, failure(fmt.Sprintf("column %s is not the store's, and has no default and allows no NULL: no session can be created", extra.name),
				"give it a default, or drop it", extra.name)...)
			continue
		}
		found = append(found, note(fmt.Sprintf("column %s is not the store's, which ignores it", extra.name),
			"nothing if a later version of this program made it; keep your own data in a table of your own", extra.name)...)
	}
	if found == nil {
		found = append(found, ok(fmt.Sprintf("table %s has the right columns", c.TableName()), nil)...)
	}
	return found
}

// anothers reports a table that another program made. To name each column that is missing
// would only confuse.
func (c *Conn) anothers(have []column) []Finding {
	var names []string
	ours := 0
	for _, one := range have {
		names = append(names, one.name)
		if slices.ContainsFunc(c.wanted(), func(want column) bool { return want.name == one.name }) {
			ours++
		}
	}
	if ours > len(c.wanted())/2 {
		return nil
	}
	list := strings.Join(names[:min(len(names), 10)], ", ")
	return failure(fmt.Sprintf("table %s is another program's: its columns are %s", c.TableName(), list),
		"give this program's table another name, with --table and in the store's Options, or check --schema; "+
			"docs/express.md says how to take over the sessions of an Express application", names)
}

func (c *Conn) compare(have, want column) []Finding {
	how := "change it to what " + c.Command("migrate print") + " shows, with ALTER TABLE"
	if c.is == sqlite {
		how = "make the table again, as " + c.Command("migrate print") + " shows it: SQLite can't change a column"
	}
	switch {
	case have.typ != want.typ:
		return failure(fmt.Sprintf("column %s is %s, and should be %s", have.name, have.typ, want.typ), how, have.typ)
	case !have.nullable && want.nullable:
		return failure(fmt.Sprintf("column %s must allow NULL: rows may have no value there", have.name), how, have.name)
	case have.nullable && !want.nullable:
		return warning(fmt.Sprintf("column %s must not allow NULL: the store can't read such a row", have.name), how, have.name)
	case want.hasDefault && !have.hasDefault:
		return failure(fmt.Sprintf("column %s has no default, and should have %s: no session can be created", have.name, want.presetValue()), how, have.name)
	case want.hasDefault && have.presetValue() != want.presetValue():
		return failure(fmt.Sprintf("column %s has the default %s, and should have %s", have.name, have.preset, want.presetValue()), how, have.name)
	}
	return nil
}

// checkSchema compares the recorded version with the one that this program knows.
func checkSchema(c *Conn) []Finding {
	status, err := c.Migrator.Status(c.ctx)
	switch {
	case errors.Is(err, migrator.ErrDevelopment):
		return nil // the columns check reported it
	case target.Denied(err):
		return note("schema: this user may not read the version, which an application does not need to",
			c.grant("SELECT", "$VERSIONS")+", or run doctor as the role that migrates", nil)
	case pgerr.Pooler(err):
		return note("schema: the version was not read: prepared statements do not work on this connection",
			"add default_query_exec_mode=exec to the database URL", nil)
	case err != nil && c.ctx.Err() != nil:
		c.err = err
		return nil
	case err != nil:
		return warning("schema: the table of versions can't be read: "+target.OneLine(target.Cause(err)),
			"look at "+c.VersionTable()+"; "+c.Command("migrate force VERSION")+" rewrites it", nil)
	case status.Dirty:
		return failure(fmt.Sprintf("schema: dirty, a step stopped half-way at version %d", status.Version), c.RepairAdvice(), status.Version)
	case status.Version == 0 && c.has < theTable:
		return nil // the columns check reported that the table is missing
	case status.Version == 0:
		return warning(fmt.Sprintf("schema: no version is recorded, so table %s was made by other means", c.TableName()),
			fmt.Sprintf("if the table is right, record it with %s", c.Command(fmt.Sprintf("migrate force %d", status.Latest))), 0)
	case status.Version == status.Latest:
		return ok(fmt.Sprintf("schema: up to date, at version %d", status.Version), status.Version)
	case status.Version > status.Latest:
		return warning(fmt.Sprintf("schema: version %d is newer than this program, which knows up to %d", status.Version, status.Latest),
			"nothing during a deployment: a program works with the next version's table; otherwise use the newer `sessions` program", status.Version)
	}
	pending := target.Plural(len(status.Pending), "step")
	return failure(fmt.Sprintf("schema: %s pending, it is at version %d of %d", pending, status.Version, status.Latest),
		"run "+c.Command("migrate up"), status.Version)
}
