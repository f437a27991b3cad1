package pgsimple

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/sqlsessions/sessions/driver"
)

// checkZone makes sure that this connection has the TimeZone of the Express application's
// connections. Otherwise a session that is live for one program is expired for the other,
// which deletes it.
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
