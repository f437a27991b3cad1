package express_test

import (
	"database/sql"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// What connect-pg-simple and express-mysql-session send. The second parameter of
// get, live and prune is the time.
var upstream = map[migrations.Dialect]map[string]string{
	migrations.PostgreSQL: {
		"get":     `SELECT sess::text FROM "$TABLE" WHERE sid = $1 AND expire >= to_timestamp($2)`,
		"set":     `INSERT INTO "$TABLE" (sess, expire, sid) SELECT $1, to_timestamp($2), $3 ON CONFLICT (sid) DO UPDATE SET sess=$1, expire=to_timestamp($2) RETURNING sid`,
		"touch":   `UPDATE "$TABLE" SET expire = to_timestamp($1) WHERE sid = $2 RETURNING sid`,
		"destroy": `DELETE FROM "$TABLE" WHERE sid = $1`,
		"prune":   `DELETE FROM "$TABLE" WHERE expire < to_timestamp($1)`,
	},
	migrations.MySQL: {
		// It compares the expiry in JavaScript.
		"get":     "SELECT `data` AS data FROM `$TABLE` WHERE `session_id` = ? AND `expires` >= ?",
		"set":     "INSERT INTO `$TABLE` (`data`, `expires`, `session_id`) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE `expires` = VALUES(`expires`), `data` = VALUES(`data`)",
		"touch":   "UPDATE `$TABLE` SET `expires` = ? WHERE `session_id` = ?",
		"destroy": "DELETE FROM `$TABLE` WHERE `session_id` = ?",
		"prune":   "DELETE FROM `$TABLE` WHERE `expires` < ?",
	},
}

func (f *foreign) upstream(what string) string {
	return strings.ReplaceAll(upstream[f.Dialect][what], "$TABLE", f.name)
}

// now is the database's clock, so that nothing hangs on how far the test's is off.
func (f *foreign) now(t *testing.T) (seconds float64) {
	t.Helper()
	query := "SELECT extract(epoch FROM clock_timestamp())::float8"
	if f.Dialect == migrations.MySQL {
		query = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) * 1e-6"
	}
	testbed.Check(t, f.DB.QueryRowContext(t.Context(), query).Scan(&seconds))
	return seconds
}

// rounded is a time as upstream writes it.
func (f *foreign) rounded(seconds float64) int64 {
	if f.Dialect == migrations.PostgreSQL {
		return int64(math.Ceil(seconds))
	}
	return int64(math.Round(seconds))
}

func (f *foreign) node(t *testing.T, what string, args ...any) {
	t.Helper()
	f.run(t, f.upstream(what), args...)
}

// set is upstream's, with an expiry in a while.
func (f *foreign) set(t *testing.T, sid, text string, in time.Duration) {
	t.Helper()
	f.node(t, "set", text, f.rounded(f.now(t)+in.Seconds()), sid)
}

// get is what upstream reads, and whether it finds anything.
func (f *foreign) get(t *testing.T, sid string) (text string, ok bool) {
	t.Helper()
	err := f.DB.QueryRowContext(t.Context(), f.upstream("get"), sid, f.rounded(f.now(t))).Scan(&text)
	if !errors.Is(err, sql.ErrNoRows) {
		testbed.Check(t, err)
	}
	return text, err == nil
}

// expiry is the column, as a second of Unix time.
func (f *foreign) expiry(t *testing.T, sid string) (seconds float64) {
	t.Helper()
	query := "SELECT extract(epoch FROM expire::timestamptz)::float8 FROM $TABLE WHERE sid = $1"
	if f.Dialect == migrations.MySQL {
		query = "SELECT expires FROM $TABLE WHERE session_id = ?"
	}
	testbed.Check(t, f.DB.QueryRowContext(t.Context(), strings.ReplaceAll(query, "$TABLE", f.name), sid).Scan(&seconds))
	return seconds
}

const expressCookie = `"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}`
