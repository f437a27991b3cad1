package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/migrations"
)

// tableSQL is what the exams of the table ask, the same on all engines but for
// the words. Each returns the columns that its reader scans.
type tableSQL struct {
	columns string // name, type, nullable, has a default, the default
	indexes string // name, unique, primary, in use, key columns, all columns it depends on, condition
	rows    string // the planner's estimate
	exact   string // live, expired, age of the oldest in ms, average, biggest, over 1 MiB, in a later format
	due     string // expired up to dueLimit, age of the oldest in ms, both by the index
	sample  string // rows looked at, average, biggest, over 1 MiB
	later   string // of the newest, those in a later format: a new version of the program writes new rows first
}

// A column is as the catalog describes it.
type column struct {
	name, typ  string
	nullable   bool
	hasDefault bool
	preset     string // the default
}

// columnsOf reads columns written as in SQL, but NOT NULL unless they say NULL.
func columnsOf(lines ...string) (columns []column) {
	for _, line := range lines {
		name, typ, _ := strings.Cut(line, " ")
		typ, preset, hasDefault := strings.Cut(typ, " DEFAULT ")
		typ, nullable := strings.CutSuffix(typ, " NULL")
		columns = append(columns, column{name, typ, nullable, hasDefault, preset})
	}
	return columns
}

// presetValue is the default, of which each product has its own way to write it.
func (c column) presetValue() string {
	text, _, _ := strings.Cut(c.preset, "::")
	text = strings.ToLower(strings.Trim(text, "'() "))
	if text == "false" {
		return "0"
	}
	return text
}

// developmentColumns reports whether a development version from before the first release made the
// table, where a row was found by the hash of the cookie's secret.
func developmentColumns(have []column) bool {
	is := func(name string) bool {
		return slices.ContainsFunc(have, func(c column) bool { return c.name == name })
	}
	return is("key") && is("handle") && is("reap_after") && !is("id")
}

// schemaVersion compares the version that is noted with the one this program knows.
func schemaVersion(ctx context.Context, x *examination) error {
	status, err := x.migrator.Status(ctx)
	switch {
	case x.old:
		return nil // that has been said
	case err != nil && denied(err):
		x.note("schema: which version it is at was not examined, since this user may not read that, and an application need not",
			x.grant(needed[0], "$VERSIONS")+", or run doctor as the role that migrates", nil)
		return nil
	case err != nil && ctx.Err() != nil:
		return err
	case code(err) == "26000", code(err) == "42P05":
		x.note("schema: which version it is at was not examined, for prepared statements do not work on this connection", "add default_query_exec_mode=exec to the database URL", nil)
		return nil
	case err != nil:
		x.warn("schema: the table of versions can't be read: "+oneLine(cause(err)), "look at "+x.table+"_schema_migrations; "+x.again("migrate force VERSION")+" writes it anew", nil)
		return nil
	case status.Version == 0 && !status.Dirty:
		if x.there {
			x.warn(fmt.Sprintf("schema: no version is noted, so table %s was made by other means", x.tableName()),
				fmt.Sprintf("if the table is right, note it with %s", x.again(fmt.Sprintf("migrate force %d", status.Latest))), 0)
		}
		return nil // that the table is missing has been said
	}
	switch {
	case !status.Dirty && status.Version == status.Latest:
		x.ok(fmt.Sprintf("schema: up to date, at version %d", status.Version), status.Version)
	case status.Dirty:
		x.fail(fmt.Sprintf("schema: dirty, for a step stopped half-way at version %d", status.Version),
			fmt.Sprintf("compare the table with what %s shows, put it right by hand, and then run %s", x.again("migrate print"), x.again("migrate force VERSION")), status.Version)
	case status.Version > status.Latest:
		x.warn(fmt.Sprintf("schema: version %d is newer than this program, which knows up to %d", status.Version, status.Latest),
			"nothing during a deployment, because a program works with the table of the next version; otherwise use the newer `sessions` program", status.Version)
	default:
		x.fail(fmt.Sprintf("schema: %s pending, for it is at version %d of %d", plural(len(status.Pending), "step"), status.Version, status.Latest), "run "+x.again("migrate up"), status.Version)
	}
	return nil
}

// tableColumns compares the columns with those that the migrations make.
func tableColumns(ctx context.Context, x *examination) error {
	var have []column
	err := x.each(ctx, x.sql.columns, func(scan func(...any) error) error {
		var c column
		err := scan(&c.name, &c.typ, &c.nullable, &c.hasDefault, &c.preset)
		have = append(have, c)
		return err
	})
	if err != nil {
		return err
	}
	if len(have) == 0 {
		x.fail(fmt.Sprintf("table %s is missing, or this user may not see it", x.tableName()),
			"run "+x.again("migrate up")+", or check --table and --schema, or grant the user what docs/operations.md lists", nil)
		return nil
	}
	if x.old = developmentColumns(have); x.old {
		x.fail(x.developmentTable(), x.beginAgain(), nil)
		return nil
	}
	before := len(x.report)
	var missing []string
	for _, want := range x.wanted {
		i := slices.IndexFunc(have, func(c column) bool { return c.name == want.name })
		if i < 0 {
			missing = append(missing, want.name)
			continue
		}
		x.compare(have[i], want)
		have = slices.Delete(have, i, i+1)
	}
	x.there, x.fits = true, len(missing) == 0
	switch len(missing) {
	case 0:
	case 1:
		x.fail(fmt.Sprintf("column %s is missing", missing[0]), "add it as "+x.again("migrate print")+" shows it", missing)
	default:
		x.fail(fmt.Sprintf("columns %s are missing", strings.Join(missing, ", ")), "make the table as "+x.again("migrate print")+" shows it", missing)
	}
	for _, c := range have {
		switch {
		case !c.nullable && !c.hasDefault:
			x.fail(fmt.Sprintf("column %s is not the store's, and takes neither NULL nor a default: no session can be made", c.name),
				"give it a default, or drop it", c.name)
		default:
			x.note(fmt.Sprintf("column %s is not the store's, which leaves it alone", c.name),
				"nothing if a later version of this program made it; keep data of your own in a table of your own", c.name)
		}
	}
	if len(x.report) == before {
		x.ok(fmt.Sprintf("table %s has the right columns", x.tableName()), nil)
	}
	return nil
}

func (x *examination) compare(have, want column) {
	how := "change it to what " + x.again("migrate print") + " shows, with ALTER TABLE"
	if x.dialect == migrations.SQLite {
		how = "make the table again, as " + x.again("migrate print") + " shows it: SQLite changes no column"
	}
	switch {
	case have.typ != want.typ:
		x.fail(fmt.Sprintf("column %s is %s, and should be %s", have.name, have.typ, want.typ), how, have.typ)
	case !have.nullable && want.nullable:
		x.fail(fmt.Sprintf("column %s takes no NULL, and should: a row may lack it", have.name), how, have.name)
	case have.nullable && !want.nullable:
		x.warn(fmt.Sprintf("column %s takes NULL, and should not: such a row would be one that the store can't read", have.name), how, have.name)
	case want.hasDefault && !have.hasDefault:
		x.fail(fmt.Sprintf("column %s has no default, and should have %s: no session can be made", have.name, want.preset), how, have.name)
	case want.hasDefault && have.presetValue() != want.presetValue():
		x.fail(fmt.Sprintf("column %s has the default %s, and should have %s", have.name, have.preset, want.preset), how, have.name)
	}
}
