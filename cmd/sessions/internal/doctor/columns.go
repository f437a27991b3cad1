package doctor

import (
	"context"
	"errors"
	"fmt"
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

// A wantedColumn is one that the migrations make, with its type on each engine.
type wantedColumn struct {
	name                    string
	postgres, mysql, sqlite string
	nullable                bool
	preset                  string
}

var wantedColumns = []wantedColumn{
	{"id", "uuid", "binary(16)", "BLOB", false, ""},
	{"version", "bigint", "bigint", "INTEGER", false, ""},
	{"created_at", pgTime, "datetime(6)", "INTEGER", false, ""},
	{"absolute_expires_at", pgTime, "datetime(6)", "INTEGER", false, ""},
	{"expires_at", pgTime, "datetime(6)", "INTEGER", false, ""},
	{"reap_after", pgTime, "datetime", "INTEGER", false, ""},
	{"authenticated_at", pgTime, "datetime(6)", "INTEGER", true, ""},
	{"ended_at", pgTime, "datetime(6)", "INTEGER", true, ""},
	{"keep_until", pgTime, "datetime(6)", "INTEGER", true, ""},
	{"previous_until", pgTime, "datetime(6)", "INTEGER", true, ""},
	{"format", "smallint", "smallint", "INTEGER", false, "0"},
	{"pending", "boolean", "tinyint(1)", "INTEGER", false, "0"},
	{"verifier", "bytea", "binary(32)", "BLOB", true, ""},
	{"previous_verifier", "bytea", "binary(32)", "BLOB", true, ""},
	{"user_id", pgText, "varbinary(255)", "TEXT", true, ""},
	{"label", pgText, "varbinary(255)", "TEXT", true, ""},
	{"ended_user", pgText, "varbinary(255)", "TEXT", true, ""},
	{"ended_reason", pgText, "varbinary(255)", "TEXT", true, ""},
	{"device_key", "bytea", "blob", "BLOB", true, ""},
	{"extra", "text", "text", "TEXT", true, ""},
	{"data", "json", "mediumtext", "TEXT", false, ""},
}

const (
	pgTime = "timestamp with time zone"
	pgText = `text COLLATE "C"`
)

// presetValue is the default, which each product writes in its own way.
func (c column) presetValue() string {
	text, _, _ := strings.Cut(c.preset, "::")
	text = strings.ToLower(strings.Trim(text, "'() "))
	if text == "false" {
		return "0"
	}
	return text
}

// developmentColumns reports whether a development version from before the first release
// made the table. It found a row by the hash of the cookie's secret.
func developmentColumns(have []column) bool {
	is := func(name string) bool {
		return slices.ContainsFunc(have, func(c column) bool { return c.name == name })
	}
	return is("key") && is("handle") && is("reap_after") && !is("id")
}

// checkColumns compares the columns with those that the migrations make.
func checkColumns(ctx context.Context, c *Conn) (found []Finding, err error) {
	var have []column
	err = c.each(ctx, c.ask.columns, func(scan func(...any) error) error {
		var one column
		err := scan(&one.name, &one.typ, &one.nullable, &one.hasDefault, &one.preset)
		have = append(have, one)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(have) == 0:
		return failure(fmt.Sprintf("table %s is missing, or this user may not see it", c.TableName()),
			"run "+c.Command("migrate up")+", or check --table and --schema, or grant the user what docs/operations.md lists", nil), nil
	case developmentColumns(have):
		problem, advice := c.DevelopmentTable()
		return failure(problem, advice, nil), nil
	}
	var missing []string
	for _, want := range wantedColumns {
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
		found = append(found, failure(fmt.Sprintf("columns %s are missing", strings.Join(missing, ", ")), "make the table as "+c.Command("migrate print")+" shows it", missing)...)
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
	return found, nil
}

func (c *Conn) compare(have column, want wantedColumn) []Finding {
	typ := c.columnType(want)
	how := "change it to what " + c.Command("migrate print") + " shows, with ALTER TABLE"
	if c.is == sqlite {
		how = "make the table again, as " + c.Command("migrate print") + " shows it: SQLite can't change a column"
	}
	switch {
	case have.typ != typ:
		return failure(fmt.Sprintf("column %s is %s, and should be %s", have.name, have.typ, typ), how, have.typ)
	case !have.nullable && want.nullable:
		return failure(fmt.Sprintf("column %s must allow NULL: rows may have no value there", have.name), how, have.name)
	case have.nullable && !want.nullable:
		return warning(fmt.Sprintf("column %s must not allow NULL: the store can't read such a row", have.name), how, have.name)
	case want.preset != "" && !have.hasDefault:
		return failure(fmt.Sprintf("column %s has no default, and should have %s: no session can be created", have.name, want.preset), how, have.name)
	case want.preset != "" && have.presetValue() != want.preset:
		return failure(fmt.Sprintf("column %s has the default %s, and should have %s", have.name, have.preset, want.preset), how, have.name)
	}
	return nil
}

// checkSchema compares the recorded version with the one that this program knows.
func checkSchema(ctx context.Context, c *Conn) ([]Finding, error) {
	status, err := c.Migrator.Status(ctx)
	var found []Finding
	switch {
	case errors.Is(err, migrator.ErrDevelopment):
		return nil, nil // the columns check reported it
	case target.Denied(err):
		found = note("schema: this user may not read the version, which an application does not need to",
			c.grant("SELECT", "$VERSIONS")+", or run doctor as the role that migrates", nil)
	case pgerr.Pooler(err):
		found = note("schema: the version was not read: prepared statements do not work on this connection", "add default_query_exec_mode=exec to the database URL", nil)
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		found = warning("schema: the table of versions can't be read: "+target.OneLine(target.Cause(err)),
			"look at "+c.VersionTable()+"; "+c.Command("migrate force VERSION")+" rewrites it", nil)
	case status.Dirty:
		found = failure(fmt.Sprintf("schema: dirty, a step stopped half-way at version %d", status.Version), c.RepairAdvice(), status.Version)
	case status.Version == 0 && c.has < theTable:
		return nil, nil // the columns check reported that the table is missing
	case status.Version == 0:
		found = warning(fmt.Sprintf("schema: no version is recorded, so table %s was made by other means", c.TableName()),
			fmt.Sprintf("if the table is right, record it with %s", c.Command(fmt.Sprintf("migrate force %d", status.Latest))), 0)
	case status.Version == status.Latest:
		found = ok(fmt.Sprintf("schema: up to date, at version %d", status.Version), status.Version)
	case status.Version > status.Latest:
		found = warning(fmt.Sprintf("schema: version %d is newer than this program, which knows up to %d", status.Version, status.Latest),
			"nothing during a deployment: a program works with the next version's table; otherwise use the newer `sessions` program", status.Version)
	default:
		found = failure(fmt.Sprintf("schema: %s pending, it is at version %d of %d", target.Plural(len(status.Pending), "step"), status.Version, status.Latest),
			"run "+c.Command("migrate up"), status.Version)
	}
	return found, nil
}
