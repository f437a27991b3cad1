package pgsimple

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/sqlsessions/sessions/driver"
)

// zones is what the connection has, and what a connection has that asks for nothing, as those
// of node-postgres do: what RESET would bring back, or, where the client asked when
// it connected and RESET would bring back that, what is set for the role and the
// database; NULL where that is the server's own and can't be seen.
var zones = `WITH ours AS (
	SELECT setting, reset_val, source FROM pg_catalog.pg_settings WHERE name = 'TimeZone'
), set_for AS (
	SELECT setdatabase, setrole, substr(item, strpos(item, '=') + 1) AS zone
	FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS item
	WHERE lower(split_part(item, '=', 1)) = 'timezone'
		AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
), theirs AS (
	SELECT CASE WHEN source <> 'client' THEN reset_val ELSE (
		SELECT zone FROM set_for
		WHERE setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
		ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1) END AS zone
	FROM ours
)
SELECT setting, theirs.zone, ` + same(`setting`, `theirs.zone`) + `, ` + same(`setting`, `'UTC'`) + `, coalesce((
		SELECT string_agg(DISTINCT rolname, ', ') FROM set_for JOIN pg_catalog.pg_roles ON pg_roles.oid = setrole
		WHERE rolname <> session_user AND NOT ` + same(`setting`, `set_for.zone`) + `), ''),
	source IN ('user', 'database user')
FROM ours, theirs`

// same compares what two zones make of a time in each week of some years: the same
// zone has several names.
func same(a, b string) string {
	return `(SELECT bool_and(t AT TIME ZONE ` + a + ` = t AT TIME ZONE ` + b + `)
		FROM generate_series(now() - interval '1 year', now() + interval '3 years', interval '1 week') AS t)`
}

// checkZone makes sure that this connection's TimeZone is the one that the Express
// application's connections have. Else one program's live session is the other's
// expired one, which its pruning deletes.
func checkZone(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	var ours, otherRoles string
	var theirs sql.NullString
	var agree sql.NullBool
	var utc, ofRole bool
	if err := db.QueryRowContext(ctx, zones).Scan(&ours, &theirs, &agree, &utc, &otherRoles, &ofRole); err != nil {
		return err
	}
	if !agree.Bool {
		instead := ""
		if theirs.Valid {
			instead = ", where others get " + theirs.String
		}
		return fmt.Errorf("%w: this connection asks for the time zone %s%s. The column expire has no time zone, and node-postgres asks for none, "+
			"so sessions would end hours too early or too late: remove TimeZone from the DSN, the variable PGTZ from the environment, "+
			"and any SET TimeZone; or make the column a timestamptz", driver.ErrInvalid, ours, instead)
	}
	if ofRole || otherRoles != "" {
		log.Warn("pgsimple: the time zone is set for single roles; connect with the role of the Express application, "+
			"or sessions end hours too early or too late", "zone", ours, "roles with another", otherRoles)
	}
	if !utc {
		log.Warn("pgsimple: the time zone is not UTC, and the column expire has none: where clocks are put back or forward, "+
			"sessions end an hour too early or too late", "zone", ours)
	}
	return nil
}
