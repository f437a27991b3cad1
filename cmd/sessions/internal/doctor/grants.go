package doctor

import (
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/myerr"
)

const wideAdvice = "fine for the role that migrates; give the application one with only SELECT, INSERT, UPDATE and DELETE on the table (docs/operations.md)"

// granted compares what the user may do with the four privileges that the store needs, or
// with those of a role that only cleans up, which must be able to lock rows.
func (c *Conn) granted(missing []string, locks bool) []Finding {
	lacks := func(privilege string) bool { return slices.Contains(missing, privilege) }
	list := strings.Join(missing, ", ")
	switch {
	case len(missing) == 0:
		return ok("the user may SELECT, INSERT, UPDATE and DELETE", nil)
	case lacks("INSERT") && locks && !lacks("SELECT") && !lacks("DELETE"):
		return note("the user may clean up, but not create sessions: it lacks "+list,
			"right for `sessions cleanup`; for an application: "+c.grant(list, "$TABLE"), missing)
	}
	return failure("the user lacks "+list+" on the table",
		c.grant(list, "$TABLE")+"; a role that only cleans up needs no INSERT, and UPDATE to lock rows (docs/operations.md)", missing)
}

// pgGrants asks catalog functions, which answer about any table. FOR UPDATE needs UPDATE
// on any column.
const pgGrants = `SELECT quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE'),
		concat_ws(',', CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END, CASE WHEN NOT has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
			CASE WHEN NOT has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END, CASE WHEN NOT has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END),
		has_any_column_privilege(c.oid, 'UPDATE')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $OID`

func postgresGrants(c *Conn) (found []Finding) {
	var schema, missing string
	var usage, locks bool
	c.get(pgGrants, &schema, &usage, &missing, &locks)
	if !usage {
		found = append(found, failure("the user may not use schema "+schema+", so no statement works", c.grant("USAGE", "SCHEMA "+schema), "USAGE")...)
	}
	return append(found, c.granted(strings.FieldsFunc(missing, func(r rune) bool { return r == ',' }), locks)...)
}

const pgWidth = `SELECT CASE WHEN r.rolsuper THEN 'is a superuser'
		WHEN pg_has_role(c.relowner, 'USAGE') THEN 'owns the table, and so can change and drop it'
		WHEN has_schema_privilege(c.relnamespace, 'CREATE') THEN 'may create tables in the schema'
		WHEN has_table_privilege(c.oid, 'TRUNCATE') OR has_table_privilege(c.oid, 'TRIGGER') OR has_table_privilege(c.oid, 'REFERENCES')
			THEN 'may do more with the table than the store needs'
		ELSE '' END, r.rolsuper
	FROM pg_class c, pg_roles r WHERE c.oid = $OID AND r.rolname = current_user`

func postgresWidth(c *Conn) []Finding {
	var wide string
	var super bool
	c.get(pgWidth, &wide, &super)
	switch {
	case super:
		return warning("the user "+wide, wideAdvice, wide)
	case wide != "":
		return note("the user "+wide, wideAdvice, wide)
	}
	return ok("the user may do no more than that", nil)
}

// myExplain asks whether a statement may be run, without running it.
var myExplain = []struct{ privilege, statement string }{
	{"SELECT", "EXPLAIN SELECT `data` FROM $TABLE WHERE `id` = ''"},
	{"INSERT", "EXPLAIN INSERT INTO $TABLE (`id`, `verifier`, `user_id`, `data`, `version`, created_at, seen_at, absolute_expires_at, expires_at, reap_after) " +
		"VALUES ('', '', '', '{}', 1, 20000101, 20000101, 20000102, 20000103, 20000104)"},
	{"UPDATE", "EXPLAIN UPDATE $TABLE SET `version` = 1 WHERE `id` = ''"},
	{"DELETE", "EXPLAIN DELETE FROM $TABLE WHERE `id` = ''"},
}

func mysqlGrants(c *Conn) []Finding {
	var missing []string
	for _, ask := range myExplain {
		// Not in a read-only transaction, which refuses even to explain a change.
		switch _, err := c.DB.ExecContext(c.ctx, c.names.Replace(ask.statement)); {
		case err == nil, myerr.UnknownColumn(err): // a missing column is reported after the privilege
		case target.Denied(err):
			missing = append(missing, ask.privilege)
		case myerr.ReadOnly(err):
			return note("grants were not checked: a read-only server does not tell", "connect to the primary, and run it again", nil)
		default:
			c.err = err
		}
	}
	return c.granted(missing, !slices.Contains(missing, "UPDATE"))
}

// myWide returns privileges that change more than rows, and whether on all databases. The
// name of a database in a grant is a pattern of LIKE.
const myWide = `SELECT privilege_type, everywhere FROM (
		SELECT privilege_type, 1 AS everywhere FROM information_schema.user_privileges WHERE grantee = $GRANTEE
		UNION SELECT privilege_type, 0 FROM information_schema.schema_privileges WHERE grantee = $GRANTEE AND $SCHEMA LIKE table_schema
		UNION SELECT privilege_type, 0 FROM information_schema.table_privileges WHERE grantee = $GRANTEE AND table_schema = $SCHEMA AND table_name = '$NAME'
	) AS held WHERE privilege_type IN ('CREATE', 'DROP', 'ALTER', 'INDEX', 'TRIGGER', 'SUPER', 'FILE', 'CREATE USER') ORDER BY 2 DESC, 1`

func mysqlWidth(c *Conn) []Finding {
	var privilege string
	var global bool
	var wide, everywhere []string
	c.each(myWide, func() {
		wide = append(wide, privilege)
		if global {
			everywhere = append(everywhere, privilege)
		}
	}, &privilege, &global)
	switch {
	case everywhere != nil:
		return warning("the user may do this with all databases: "+strings.Join(everywhere, ", "), wideAdvice, everywhere)
	case wide != nil:
		return note("the user may do more than the store needs: "+strings.Join(wide, ", "), wideAdvice, wide)
	}
	return ok("the user may change no tables", nil)
}
