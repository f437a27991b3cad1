package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/migrations"
)

// pgPolicies returns whether row level security is on for the table and this user, for which
// commands no policy lets the user have a row, and whether one takes rows away again.
const pgPolicies = `SELECT row_security_active($OID::oid), coalesce(string_agg(command, ', ' ORDER BY n) FILTER (WHERE NOT permitted), ''),
		coalesce(bool_or(restricted), false)
	FROM (SELECT n, command, count(polrelid) FILTER (WHERE polpermissive) > 0, count(polrelid) FILTER (WHERE NOT polpermissive) > 0
		FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[], '{r,a,w,d}'::"char"[]) WITH ORDINALITY AS commands (command, cmd, n)
			LEFT JOIN pg_policy ON polrelid = $OID AND polcmd IN (cmd, '*')
				AND EXISTS (SELECT FROM unnest(polroles) AS role WHERE role = 0 OR pg_has_role(role, 'USAGE'))
		GROUP BY n, command) AS policies (n, command, permitted, restricted)`

// postgresPolicies reports row level security, under which a row that is hidden is taken for a
// session that is not there: nothing fails.
func postgresPolicies(c *Conn) []Finding {
	var active, restricted bool
	var without string
	c.get(pgPolicies, &active, &without, &restricted)
	const off = "or give the user BYPASSRLS; with row_security=off in the database URL, a statement fails from which rows would be hidden"
	switch {
	case !active:
		return ok("no row level security hides rows from the user", nil)
	case without != "":
		return failure(fmt.Sprintf("row level security lets the user %s no row: what is hidden "+
			"counts as not there, so users are logged out, or not logged out, and nothing fails", without),
			c.names.Replace(fmt.Sprintf("run CREATE POLICY sessions ON $TABLE TO %s USING (true) WITH CHECK (true), ", c.Role))+off, without)
	case restricted:
		return warning("row level security has a restrictive policy for the user: a row that it hides counts as a session that is not there, and nothing fails",
			"make sure that it hides no row from this user, "+off, nil)
	}
	return note("row level security is on for the user: a row that its policies hide counts as a session that is not there, and nothing fails",
		"make sure that they hide no row from this user, as USING (true) does, "+off, nil)
}

// pgDiverted returns the triggers and rules that may keep a change from a row.
const pgDiverted = `SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid IN $TREE AND NOT tgisinternal AND tgtype & 3 = 3 AND tgenabled <> 'D'
	UNION SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class IN $TREE AND is_instead ORDER BY 1`

// postgresTriggers reports what may swallow a change without an error.
func postgresTriggers(c *Conn) []Finding {
	var one string
	var all []string
	c.each(pgDiverted, func() { all = append(all, one) }, &one)
	if len(all) == 0 {
		return ok("no trigger or rule can keep a change from a row", nil)
	}
	return note("the table has "+strings.Join(all, ", ")+": what such a trigger answers with NULL, or a rule does instead, is not carried out, and nothing fails",
		"make sure that each change of a row is carried out, or raises an error", all)
}

// Hidden says why a reaper would find nothing to delete, or "". If that can't be found out, it
// says nothing.
func Hidden(ctx context.Context, t *target.Target) string {
	if t.Dialect != migrations.PostgreSQL {
		return ""
	}
	c := &Conn{Target: t, engine: dialects[t.Dialect](t)}
	found, _ := c.run(ctx, Check{"policies", postgres, aConnection, postgresPolicies})
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Status == Error })
	if i < 0 || !strings.Contains(fmt.Sprint(found[i].Value), "SELECT") && !strings.Contains(fmt.Sprint(found[i].Value), "DELETE") {
		return ""
	}
	return found[i].Text + "; " + found[i].Advice
}
