package target

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sqlsessions/sessions/migrations"
)

// A Need is what a command does with the database, and so which privileges it needs.
type Need int

// The needs of the commands.
const (
	ReadVersion Need = iota
	Migrate
	CleanUp
)

// roleOf is the user as it stands in a GRANT, by the name in the URL; askRole asks the server.
func roleOf(dialect migrations.Dialect, user string) string {
	if dialect != migrations.MySQL {
		return pgx.Identifier{user}.Sanitize()
	}
	host := "%"
	if at := strings.LastIndex(user, "@"); at >= 0 {
		user, host = user[:at], user[at+1:]
	}
	return "'" + user + "'@'" + host + "'"
}

// askRole asks the server which user this is. If that fails, the name in the URL has
// to do: it is only used in advice.
func (t *Target) askRole(ctx context.Context) {
	var role string
	switch {
	case t.Dialect == migrations.PostgreSQL && t.DB.QueryRowContext(ctx, "SELECT quote_ident(current_user)").Scan(&role) == nil:
		t.Role = role
	case t.Dialect == migrations.MySQL && t.DB.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&role) == nil:
		t.Role = roleOf(t.Dialect, role)
	}
}

// grants returns the statements that allow the user what the command does, as in
// docs/operations.md.
func (t *Target) grants() string {
	table, versions := t.Quoted(t.Table), t.Quoted(t.VersionTable())
	usage := ""
	if t.Dialect == migrations.PostgreSQL && t.Schema != "" {
		usage = fmt.Sprintf(`GRANT USAGE ON SCHEMA "%s" TO %s; `, t.Schema, t.Role)
	}
	mysql := t.Dialect == migrations.MySQL
	switch {
	case t.need == ReadVersion:
		return usage + fmt.Sprintf("GRANT SELECT ON %s TO %s", versions, t.Role)
	case t.need == CleanUp && mysql:
		return fmt.Sprintf("GRANT SELECT, DELETE, UPDATE ON %s TO %s", table, t.Role)
	case t.need == CleanUp:
		return usage + fmt.Sprintf("GRANT SELECT, DELETE, UPDATE (reap_after) ON %s TO %s", table, t.Role)
	case mysql:
		return fmt.Sprintf("GRANT CREATE, INDEX, DROP, SELECT, INSERT, DELETE ON `%s`.* TO %s", cmp.Or(t.Schema, t.database), t.Role)
	}
	return usage + fmt.Sprintf(`GRANT CREATE ON SCHEMA "%s" TO %s; existing tables can only be changed by their owner`, cmp.Or(t.Schema, "public"), t.Role)
}
