package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

const endedColumns = "INSERT INTO sessions (id, data, seen_at, version, created_at, absolute_expires_at, expires_at, reap_after," +
	" ended_at, ended_reason, keep_until) "

// An ended session that is kept, a mark, and an ended session past its time.
var endedRows = map[migrations.Dialect]string{
	migrations.PostgreSQL: endedColumns + `SELECT gen_random_uuid(), '{}', now(), 1, now(),
			CASE reason WHEN 'mark' THEN '1970-01-02' ELSE now() END, '1970-01-02', now() - interval '2 hours',
			now() - interval '9 hours', reason, now() + hours * interval '1 hour'
		FROM (VALUES ('logout', 5), ('mark', 5), ('logout', -3)) AS row (reason, hours)`,
	migrations.MySQL: endedColumns + `SELECT UNHEX(LEFT(SHA2(n, 256), 32)), '{}', UTC_TIMESTAMP(6), 1, UTC_TIMESTAMP(6),
			IF(reason = 'mark', '1970-01-02', UTC_TIMESTAMP(6)), '1970-01-02',
			UTC_TIMESTAMP() - INTERVAL 2 HOUR, UTC_TIMESTAMP(6) - INTERVAL 9 HOUR, reason, UTC_TIMESTAMP(6) + INTERVAL hours HOUR
		FROM (SELECT 1 AS n, 'logout' AS reason, 5 AS hours UNION ALL SELECT 2, 'mark', 5 UNION ALL SELECT 3, 'logout', -3) AS ended`,
	migrations.SQLite: endedColumns + `SELECT randomblob(16), '{}', 0, 1, 0,
			CASE column1 WHEN 'mark' THEN 86400000 ELSE unixepoch() * 1000 END, 86400000, (unixepoch() - 7200) * 1000,
			(unixepoch() - 32400) * 1000, column1, (unixepoch() + column2 * 3600) * 1000
		FROM (VALUES ('logout', 5), ('mark', 5), ('logout', -3))`,
}

// Rows that ended are no backlog while they are kept, although their expiry is in the
// distant past, and marks are not counted.
func TestDoctorEndings(t *testing.T) {
	eachEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		if b.Dialect != migrations.SQLite {
			p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
		}
		p.do(t, endedRows[b.Dialect])
		bad, all := p.diagnose(t)
		if !slices.Equal(bad, p.wantBad()) {
			t.Errorf("%v: %v", bad, all)
		}
		for _, text := range []string{"0 live sessions", "1 ended session, kept for now", "1 expired row, the oldest for 3 hours"} {
			if !slices.ContainsFunc(all, func(f finding) bool { return strings.HasPrefix(f.Text, text) }) {
				t.Errorf("no finding has %q: %v", text, all)
			}
		}
		p.run(t, 0, "1 expired session would be deleted\n1 ended session kept for now\n", "cleanup", "--dry-run")
		p.run(t, 0, "deleted 1 expired session\n", "cleanup", "--once")
	})
}
