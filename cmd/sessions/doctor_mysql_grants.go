package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// myExplain asks whether a statement may be run, without running it.
// Not in a READ ONLY transaction, which refuses even to explain a change.
var myExplain = []struct{ privilege, statement string }{
	{needed[0], "EXPLAIN SELECT `data` FROM $TABLE WHERE `id` = ''"},
	{needed[1], "EXPLAIN INSERT INTO $TABLE (`id`, `verifier`, `user_id`, `data`, `version`, created_at, absolute_expires_at, expires_at, reap_after) VALUES ('', '', '', '{}', 1, 20000101, 20000102, 20000103, 20000104)"},
	{needed[2], "EXPLAIN UPDATE $TABLE SET `version` = 1 WHERE `id` = ''"},
	{needed[3], "EXPLAIN DELETE FROM $TABLE WHERE `id` = ''"},
}

func myExamGrants(ctx context.Context, x *examination) error {
	var missing []string
	for _, ask := range myExplain {
		switch err := x.explainPlan(ctx, ask.statement); {
		case denied(err):
			missing = append(missing, ask.privilege)
		case code(err) == "1290", code(err) == "1792", code(err) == "1836":
			x.note("grants: not examined, for a server that takes no changes does not say", "point at the primary, and run it again", nil)
			return nil
		case err != nil && code(err) != "1054": // a missing column, which comes after the privilege
			return err
		}
	}
	x.grants(missing, !slices.Contains(missing, "UPDATE"))
	return nil
}

// explainPlan returns the error of a statement that is explained. The plan is of no interest.
func (x *examination) explainPlan(ctx context.Context, statement string) error {
	rows, err := x.db.QueryContext(ctx, x.names.Replace(statement))
	if err != nil {
		return err
	}
	defer rows.Close()
	return rows.Err()
}

// myWide are privileges that change more than rows.
var myWide = []string{"ALL PRIVILEGES", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "SUPER", "FILE", "CREATE USER"}

// myExamWidth reads the grants. It quotes none: on MariaDB they have hashes of passwords in them.
func myExamWidth(ctx context.Context, x *examination) error {
	var database string
	if err := x.get(ctx, "SELECT COALESCE($SCHEMA, '')", &database); err != nil {
		return err
	}
	var global, wide []string
	err := x.each(ctx, "SHOW GRANTS", func(scan func(...any) error) error {
		var line string
		err := scan(&line)
		privileges, scope, isGrant := strings.Cut(strings.TrimPrefix(line, "GRANT "), " ON ")
		if !isGrant {
			return err // of a role
		}
		for privilege := range strings.SplitSeq(privileges, ", ") {
			if slices.Contains(myWide, privilege) {
				switch {
				case strings.HasPrefix(scope, "*.*"):
					global = append(global, privilege)
				case inScope(scope, database, x.table) && !slices.Contains(wide, privilege):
					wide = append(wide, privilege)
				}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	const advice = "fine for the role that migrates; give the application one with only SELECT, INSERT, UPDATE and DELETE on the table (" + docsRoles + ")"
	switch {
	case len(global) > 0:
		x.warn("the user may do this with all databases: "+strings.Join(global, ", "), advice, global)
	case len(wide) > 0:
		x.note("the user may do more than the store needs: "+strings.Join(wide, ", "), advice, wide)
	default:
		x.ok("the user may change no tables", nil)
	}
	return nil
}

var scopePattern = regexp.MustCompile("^`((?:[^`]|``)+)`\\.(?:\\*|`([^`]+)`)")

// inScope holds when a grant is about the table. The database of a grant on all
// its tables is a pattern of LIKE.
func inScope(scope, database, table string) bool {
	parts := scopePattern.FindStringSubmatch(scope)
	switch {
	case parts == nil:
		return false
	case parts[2] != "":
		return parts[1] == database && parts[2] == table
	}
	quoted := regexp.QuoteMeta(parts[1])
	like := strings.NewReplacer(`\\_`, "_", `\\%`, "%", "_", ".", "%", ".*").Replace(quoted)
	matched, err := regexp.MatchString("^(?:"+like+")$", database)
	return err == nil && matched
}
