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
	columns string // name, type, nullable, has a default
	indexes string // name, unique, primary, in use, key columns, all columns it depends on, condition
	rows    string // the planner's estimate
	exact   string // live, expired, age of the oldest in ms, average, biggest, over 1 MiB
	due     string // expired up to dueLimit, age of the oldest in ms, both by the index
	sample  string // rows looked at, average, biggest, over 1 MiB
}

// A column is as the catalog describes it.
type column struct {
	name, typ  string
	nullable   bool
	hasDefault bool
}

// columnsOf reads columns written as in SQL, but NOT NULL unless they say NULL.
func columnsOf(lines ...string) (columns []column) {
	for _, line := range lines {
		name, typ, _ := strings.Cut(line, " ")
		typ, nullable := strings.CutSuffix(typ, " NULL")
		columns = append(columns, column{name: name, typ: typ, nullable: nullable})
	}
	return columns
}

// schemaVersion compares the version that is noted with the one this program knows.
func schemaVersion(ctx context.Context, x *examination) error {
	status, err := x.migrator.Status(ctx)
	switch {
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
		x.fail(fmt.Sprintf("schema: version %d is newer than this program, which knows up to %d", status.Version, status.Latest), "use the newer `sessions` program", status.Version)
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
		err := scan(&c.name, &c.typ, &c.nullable, &c.hasDefault)
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
	before := len(x.report)
	x.there, x.fits = true, true
	for _, want := range x.wanted {
		i := slices.IndexFunc(have, func(c column) bool { return c.name == want.name })
		if i < 0 {
			x.fits = false
			x.fail(fmt.Sprintf("column %s is missing", want.name), "make the table as "+x.again("migrate print")+" shows it", want.name)
			continue
		}
		x.compare(have[i], want)
		have = slices.Delete(have, i, i+1)
	}
	for _, c := range have {
		switch {
		case !c.nullable && !c.hasDefault:
			x.fail(fmt.Sprintf("column %s is not the store's, and takes neither NULL nor a default: no session can be made", c.name),
				"give it a default, or drop it", c.name)
		default:
			x.note(fmt.Sprintf("column %s is not the store's, which leaves it alone", c.name), "keep data of your own in a table of your own", c.name)
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
		how = "make the table anew, as " + x.again("migrate print") + " shows it, for SQLite changes no column"
	}
	switch {
	case have.typ != want.typ:
		x.fail(fmt.Sprintf("column %s is %s, and should be %s", have.name, have.typ, want.typ), how, have.typ)
	case !have.nullable && want.nullable:
		x.fail(fmt.Sprintf("column %s takes no NULL, and should: a session without a user can't be made", have.name), how, have.name)
	case have.nullable && !want.nullable:
		x.warn(fmt.Sprintf("column %s takes NULL, and should not: such a row would be one that the store can't read", have.name), how, have.name)
	}
}
