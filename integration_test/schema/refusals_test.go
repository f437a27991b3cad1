package schema_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

var advisedGrant = regexp.MustCompile(`run (GRANT [^;(]*(?:\(reap_after\)[^;(]*)?)`)

// follow does as administrator what the CLI advised, and nothing else.
func (p *patient) follow(t *testing.T, r testbed.Result) {
	t.Helper()
	parts := advisedGrant.FindStringSubmatch(r.Stderr)
	if parts == nil {
		t.Fatalf("no GRANT is advised: %s", r.Stderr)
	}
	p.do(t, parts[1])
}

// If a grant is missing, the CLI names it, and with that grant it works.
func TestCLINamesTheGrant(t *testing.T) {
	eachServerEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		p.Fill(t, 20)
		p.do(t, "REVOKE SELECT, INSERT, UPDATE, DELETE ON sessions FROM $ROLE")
		if b.Dialect == migrations.MySQL { // which admits no user without grants to a database
			p.run(t, 1, "may not use the database, or there is none of that name", "migrate", "status")
			p.do(t, "CREATE TABLE door (i INT)", "GRANT SELECT ON door TO $ROLE")
		}
		// A version that can't be read is not version 0.
		for _, command := range []string{"status", "version"} {
			p.run(t, 1, "its version can't be known", "migrate", command)
		}
		p.follow(t, p.run(t, 1, `user "`+p.role+`" lacks a privilege`, "migrate", "status"))
		p.run(t, 0, "up to date", "migrate", "status")
		p.run(t, 0, "4\n", "migrate", "version")

		p.follow(t, p.run(t, 1, "lacks a privilege", "cleanup", "--once"))
		p.run(t, 0, "20 expired", "cleanup", "--dry-run")
		p.run(t, 0, "deleted 20", "cleanup", "--once")
		if bad, _ := p.diagnose(t); !slices.Equal(bad, p.wantBad("grants note")) {
			t.Errorf("doctor under the cleanup role: %v", bad)
		}

		p.run(t, 1, "lacks a privilege", "migrate", "down", "--yes")
		p.follow(t, p.run(t, 1, "lacks a privilege", "migrate", "up", "--table", "other"))
		p.run(t, 0, "other is at version 4", "migrate", "up", "--table", "other")
		p.run(t, 0, "dropped", "migrate", "down", "9", "--yes", "--table", "other")
	})
}

// tablesOf counts the tables whose names begin so.
func (p *patient) tablesOf(t *testing.T, name string) (n int) {
	t.Helper()
	testbed.Check(t, p.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.tables WHERE table_name LIKE '"+name+"%'").Scan(&n))
	return n
}

func (p *patient) changesNothingReadOnly(t *testing.T) {
	t.Helper()
	const advice = "use the primary's address"
	p.run(t, 1, advice, "migrate", "up", "--table", "other")
	p.run(t, 1, advice, "cleanup", "--once")
	p.run(t, 0, "4\n", "migrate", "version")
	p.run(t, 0, "20 expired", "cleanup", "--dry-run")
	p.run(t, 6, "is read-only", "doctor")
	if n := p.tablesOf(t, "other"); n != 0 {
		t.Errorf("%d tables were made", n)
	}
	if n := p.Rows(t); n != 20 {
		t.Errorf("%d rows are left", n)
	}
}

func TestCLIReadOnly(t *testing.T) {
	eachServerEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		p.Fill(t, 20)
		p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
		if b.Dialect == migrations.PostgreSQL {
			p.do(t, "GRANT CREATE ON SCHEMA public TO $ROLE", "ALTER ROLE $ROLE SET default_transaction_read_only = on")
			p.changesNothingReadOnly(t)
			return
		}
		p.do(t, "GRANT CREATE, SELECT, INSERT, DELETE ON *.* TO $ROLE")
		before := p.address
		p.address = testbed.WithParameters(p.address, mysqlVariables(t, "READ_ONLY=1"))
		p.changesNothingReadOnly(t)
		p.address = before
	})
}

// As a replica of MySQL is: the whole server, but for administrators.
func TestMySQLCLIReadOnlyServer(t *testing.T) {
	address := testbed.OwnedServer(t, servers.MySQL)
	c := testbed.Backends[testbed.MySQL].ConnectTo(t, address)
	p := &patient{Table: &testbed.Table{Conns: c, Name: "sessions"}, binary: testbed.Build(t, "./cmd/sessions"), address: address, role: "reader"}
	p.run(t, 0, "", "migrate", "up")
	p.Fill(t, 20)
	u, err := url.Parse(address)
	testbed.Check(t, err)
	p.address = c.Role(t, p.role).URL
	p.do(t, "GRANT CREATE, INDEX, SELECT, INSERT, UPDATE, DELETE ON "+strings.Trim(u.Path, "/")+".* TO $ROLE", "SET GLOBAL read_only = 1")
	p.changesNothingReadOnly(t)
	p.do(t, "SET GLOBAL read_only = 0")
	p.run(t, 0, "other is at version 4", "migrate", "up", "--table", "other")
}

func TestCLITooManyConnections(t *testing.T) {
	limit := map[migrations.Dialect]string{
		migrations.PostgreSQL: "ALTER ROLE $ROLE CONNECTION LIMIT 1",
		migrations.MySQL:      "ALTER USER $ROLE WITH MAX_USER_CONNECTIONS 1",
	}
	eachServerEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		if b.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.Name != "" {
			return // a pooler lets clients wait for a connection
		}
		p := newPatient(t, b, binary)
		p.do(t, limit[b.Dialect], "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
		one, err := b.ConnectTo(t, p.address).DB.Conn(t.Context())
		testbed.Check(t, err)
		defer one.Close()
		for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up"}, {"cleanup", "--once"}, {"doctor"}} {
			p.run(t, 1, `has no connection left for user "`+p.role+`"`, args...)
		}
		testbed.Check(t, one.PingContext(t.Context()))
	})
}

func TestCLIWrongAddress(t *testing.T) {
	eachServerEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		right := p.address
		u, err := url.Parse(right)
		testbed.Check(t, err)
		const password = "s3cr3t-pa55"
		for name, wrong := range map[string]struct{ address, want string }{
			"password": {strings.Replace(right, ":pw@", ":"+password+"@", 1), `refuses user "` + p.role + `"`},
			"database": {strings.Replace(right, u.Path, "/nothere", 1), "database"},
			"host":     {strings.Replace(right, u.Host, "db.sessions.invalid:1234", 1), `there is no host "db.sessions.invalid"`},
		} {
			if name != "host" && b.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.Name != "" {
				continue // the pooler has answers of its own
			}
			if name == "password" && b.ConnectTo(t, wrong.address).DB.PingContext(t.Context()) == nil {
				t.Log("the server under test trusts whoever comes")
				continue
			}
			p.address = wrong.address
			for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up"}, {"cleanup", "--once"}, {"doctor"}} {
				r := p.run(t, 1, wrong.want, args...)
				text := r.Stdout + r.Stderr
				if strings.Contains(text, password) || strings.Contains(text, ":pw@") || !strings.HasPrefix(text, "sessions: ") || strings.Count(text, "\n") != 1 {
					t.Errorf("%s: not one line without a password: %s", name, text)
				}
			}
		}
		p.address = right
		p.run(t, 0, "deleted 0", "cleanup", "--once")
	})
}

// A table that was altered by hand is not called up to date.
func TestCLITableAlteredByHand(t *testing.T) {
	retype := map[migrations.Dialect]string{
		migrations.PostgreSQL: "ALTER TABLE sessions ALTER COLUMN expires_at TYPE timestamp",
		migrations.MySQL:      "ALTER TABLE sessions MODIFY expires_at TIMESTAMP(6) NOT NULL",
	}
	eachEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		owner := p.URL
		p.address = owner
		p.run(t, 0, "nothing to do: version 4 is the latest", "migrate", "up")
		for _, change := range []struct{ do, undo, want string }{
			{"ALTER TABLE sessions RENAME COLUMN reap_after TO reap", "ALTER TABLE sessions RENAME COLUMN reap TO reap_after", "column reap_after is missing"},
			{"ALTER TABLE sessions RENAME TO away", "ALTER TABLE away RENAME TO sessions", "table sessions is missing"},
			{retype[b.Dialect], "", "column expires_at is timestamp"},
		} {
			if change.do == "" {
				continue
			}
			p.do(t, change.do)
			r := p.run(t, 1, "sessions is recorded at version 4, but something else has changed it: "+change.want, "migrate", "up")
			if !strings.Contains(r.Stderr, "see `sessions doctor`") {
				t.Errorf("no way to go on: %s", r.Stderr)
			}
			p.run(t, 6, change.want, "doctor")
			if change.undo != "" {
				p.do(t, change.undo)
				p.run(t, 0, "nothing to do", "migrate", "up")
			}
		}

		// A step that no longer can be run says which it is.
		p.run(t, 0, "version 1", "migrate", "down", "3")
		p.do(t, "ALTER TABLE sessions RENAME COLUMN user_id TO owner")
		p.run(t, 1, "user_id", "migrate", "up")
	})
}

// A role's functions stand before those of the system, so that the server says
// to be another; nothing is migrated then.
func TestCLIServerThatIsNotSupported(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		p := newPatient(t, testbed.Backends[testbed.Postgres], testbed.Build(t, "./cmd/sessions"))
		p.do(t, "GRANT CREATE ON SCHEMA public TO $ROLE", "GRANT SELECT ON sessions_schema_migrations TO $ROLE",
			"CREATE SCHEMA disguise", "GRANT USAGE ON SCHEMA disguise TO $ROLE",
			"CREATE FUNCTION disguise.version() RETURNS text LANGUAGE sql AS $$SELECT 'PostgreSQL 13.23 on x86_64-pc-linux-gnu'$$",
			"CREATE FUNCTION disguise.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT CASE $1 WHEN 'server_version' THEN '13.23' ELSE pg_catalog.current_setting($1) END$$",
			"ALTER ROLE $ROLE SET search_path = disguise, pg_catalog, public")
		const old = "PostgreSQL 13.23 is too old: the store needs 14 or newer"
		r := p.run(t, 1, old, "migrate", "up", "--table", "other")
		if n := p.tablesOf(t, "other"); n != 0 || !strings.Contains(r.Stderr, "nothing was changed") {
			t.Errorf("%d tables were made: %s", n, r.Stderr)
		}
		p.run(t, 0, "4\n", "migrate", "version") // which is no change
		p.run(t, 6, old, "doctor")
		p.do(t, "CREATE OR REPLACE FUNCTION disguise.version() RETURNS text LANGUAGE sql AS $$SELECT 'CockroachDB CCL v23.2.4 (x86_64)'$$")
		p.run(t, 1, "CockroachDB 23.2.4 is another product", "migrate", "up", "--table", "other")
		p.run(t, 5, "CockroachDB 23.2.4 is another product", "doctor")
		if n := p.tablesOf(t, "other"); n != 0 {
			t.Errorf("%d tables were made", n)
		}
	})
}

// A sweep that can see no row has not cleaned up.
func TestCleanupUnderRowLevelSecurity(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		p := newPatient(t, testbed.Backends[testbed.Postgres], testbed.Build(t, "./cmd/sessions"))
		p.Fill(t, 20)
		p.do(t, "ALTER TABLE sessions ENABLE ROW LEVEL SECURITY")
		for _, policy := range []string{"FOR INSERT TO $ROLE WITH CHECK (true)", "FOR SELECT TO $ROLE USING (true)"} {
			for _, how := range []string{"--once", "--dry-run", "--every=1h"} {
				p.run(t, 1, "row level security lets the user", "cleanup", how)
			}
			p.do(t, "CREATE POLICY p"+policy[4:7]+" ON sessions "+policy)
		}
		p.run(t, 1, "CREATE POLICY sessions", "cleanup", "--once")
		p.do(t, "CREATE POLICY sessions ON sessions TO $ROLE USING (true) WITH CHECK (true)")
		p.run(t, 0, "deleted 20", "cleanup", "--once")
	})
}
