package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sqlsessions/sessions/migrations"
)

const docsRoles = "docs/operations.md"

// A need is what a command does with the database, by the privileges that it takes.
type need int

const (
	looking need = iota // at the version alone
	migrating
	cleaning
)

// deniedCodes are about a privilege.
var deniedCodes = strings.Fields("42501 1044 1142 1143 1227 1370")

// quoted is a table, or something beside it, as it stands in a statement.
func (d *database) quoted(name string) string {
	quote := `"`
	if d.dialect == migrations.MySQL {
		quote = "`"
	}
	name = quote + name + quote
	if d.schema != "" {
		name = quote + d.schema + quote + "." + name
	}
	return name
}

// nameInGrant is what the URL says about the user; askRole asks the server.
func (d *database) nameInGrant(user string) string {
	if d.dialect == migrations.MySQL {
		name, host := user, "%"
		if at := strings.LastIndex(user, "@"); at >= 0 {
			name, host = user[:at], user[at+1:]
		}
		return "'" + name + "'@'" + host + "'"
	}
	return pgx.Identifier{user}.Sanitize()
}

// askRole finds out the user as it stands in a GRANT. It is for advice alone, so
// that an error leaves the URL's.
func (d *database) askRole(ctx context.Context) {
	query := map[migrations.Dialect]string{
		migrations.PostgreSQL: "SELECT quote_ident(current_user)",
		migrations.MySQL:      "SELECT CURRENT_USER()",
	}[d.dialect]
	var role string
	if query == "" || d.db.QueryRowContext(ctx, query).Scan(&role) != nil {
		return
	}
	if d.role = role; d.dialect == migrations.MySQL {
		d.role = d.nameInGrant(role)
	}
}

// grantsNeeded are the statements that let the user do what the command does, as
// docs/operations.md has them.
func (d *database) grantsNeeded() string {
	table, versions := d.quoted(d.table), d.quoted(d.table+"_schema_migrations")
	usage := ""
	if d.dialect == migrations.PostgreSQL && d.schema != "" {
		usage = fmt.Sprintf(`GRANT USAGE ON SCHEMA "%s" TO %s; `, d.schema, d.role)
	}
	mysql := d.dialect == migrations.MySQL
	switch {
	case d.needs == looking:
		return usage + fmt.Sprintf("GRANT SELECT ON %s TO %s", versions, d.role)
	case d.needs == cleaning && mysql:
		return fmt.Sprintf("GRANT SELECT, DELETE, UPDATE ON %s TO %s", table, d.role)
	case d.needs == cleaning:
		return usage + fmt.Sprintf("GRANT SELECT, DELETE, UPDATE (reap_after) ON %s TO %s", table, d.role)
	case mysql:
		return fmt.Sprintf("GRANT CREATE, INDEX, DROP, SELECT, INSERT, DELETE ON `%s`.* TO %s", cmp.Or(d.schema, d.address.db), d.role)
	}
	return usage + fmt.Sprintf(`GRANT CREATE ON SCHEMA "%s" TO %s; what is there already only its owner can change`, cmp.Or(d.schema, "public"), d.role)
}

// misfits says what is wrong with the columns of a table that the version table calls right.
func (d *database) misfits(ctx context.Context) (wrong []string) {
	doc := &doctor{database: d, practice: practices[d.dialect](d)}
	_ = doc.run(ctx, exam{checkColumns, tableColumns, false}) // what can't be looked at is no reason to fail
	for _, f := range doc.report {
		if f.Status == statusError {
			wrong = append(wrong, f.Text)
		}
	}
	return wrong
}
