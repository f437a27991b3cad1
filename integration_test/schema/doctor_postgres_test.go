package schema_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// columnsOf is what a row has to have.
const columnsOf = "INSERT INTO sessions (id, data, seen_at, version, created_at, absolute_expires_at, expires_at, reap_after) "

// The exit code is that of the worst: see diagnose.
var postgresSpoils = []spoil{
	{name: "nothing"},
	{
		name: "no primary key", statements: []string{"ALTER TABLE sessions DROP CONSTRAINT sessions_pkey"},
		want: []string{"indexes error"}, texts: []string{"primary key on id is missing", `ALTER TABLE "sessions" ADD PRIMARY KEY ("id")`},
	},
	{
		name: "a primary key of two columns", statements: []string{"ALTER TABLE sessions DROP CONSTRAINT sessions_pkey, ADD PRIMARY KEY (id, created_at)"},
		want: []string{"indexes error"}, texts: []string{"primary key on id is missing", "an ID could be used twice"},
	},
	{
		name: "no index", statements: []string{"DROP INDEX sessions_user_id_idx"}, want: []string{"indexes warning"},
		texts: []string{"sessions_user_id_idx is missing", `run CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id", "id") WHERE "user_id" IS NOT NULL`},
	},
	{
		name: "no index on labels", statements: []string{"DROP INDEX sessions_label_idx"}, want: []string{"indexes warning"},
		texts: []string{"sessions_label_idx is missing", `run CREATE INDEX "sessions_label_idx" ON "sessions" ("label", "id") WHERE "label" IS NOT NULL`},
	},
	{
		name: "an index on verifiers", statements: []string{"CREATE INDEX extra ON sessions (verifier)"},
		want: []string{"indexes warning"}, texts: []string{"extra contains verifier: each new token", "drop it"},
	},
	{
		name: "another index of that name", statements: []string{"DROP INDEX sessions_reap_after_idx", "CREATE INDEX sessions_reap_after_idx ON sessions (created_at)"},
		want: []string{"indexes warning"}, texts: []string{"not what the migration makes", `run DROP INDEX "sessions_reap_after_idx", and then run CREATE INDEX`},
	},
	{
		name: "an index on expires_at", statements: []string{"CREATE INDEX extra ON sessions (created_at, expires_at)"},
		want: []string{"indexes warning"}, texts: []string{"extra contains expires_at", "drop it"},
	},
	{
		name: "an index that is not valid", statements: []string{"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sessions_reap_after_idx'::regclass"},
		want: []string{"indexes warning", "indexes warning"}, texts: []string{"sessions_reap_after_idx is not in use", "make it again"},
	},
	{
		name: "no column", statements: []string{"ALTER TABLE sessions DROP COLUMN user_id"},
		want: []string{"columns error", "indexes warning", "content note"}, texts: []string{"column user_id is missing", "`sessions migrate print`"},
	},
	{
		name: "another column", statements: []string{"ALTER TABLE sessions RENAME COLUMN reap_after TO reap"},
		want: []string{"columns error", "columns error", "indexes warning", "content note"}, texts: []string{"column reap is not the store's"},
	},
	{
		name: "jsonb", statements: []string{"ALTER TABLE sessions ALTER COLUMN data TYPE jsonb"},
		want: []string{"columns error"}, texts: []string{"column data is jsonb, and should be json"},
	},
	{
		name: "another collation", statements: []string{`ALTER TABLE sessions ALTER COLUMN user_id TYPE text COLLATE "default"`},
		want: []string{"columns error"}, texts: []string{`column user_id is text, and should be text COLLATE "C"`},
	},
	{
		name: "no autovacuum", statements: []string{"ALTER TABLE sessions SET (autovacuum_enabled = false)"},
		want: []string{"storage warning"}, texts: []string{"autovacuum is off"},
	},
	{
		name: "unlogged", statements: []string{"ALTER TABLE sessions SET UNLOGGED"},
		want: []string{"storage warning"}, texts: []string{"UNLOGGED", `ALTER TABLE "sessions" SET LOGGED`},
	},
	{
		name: "a grant is missing", statements: []string{"REVOKE UPDATE, DELETE ON sessions FROM $ROLE"},
		want: []string{"grants error"}, texts: []string{"lacks UPDATE, DELETE", `GRANT UPDATE, DELETE ON "sessions" TO $ROLE`},
	},
	{
		name: "nothing is granted", statements: []string{"REVOKE ALL ON sessions FROM $ROLE"},
		want: []string{"grants error", "content note"}, texts: []string{"lacks SELECT, INSERT, UPDATE, DELETE"},
	},
	{
		name: "cleanup alone", statements: []string{"REVOKE INSERT, UPDATE ON sessions FROM $ROLE", "GRANT UPDATE (reap_after) ON sessions TO $ROLE"},
		want: []string{"grants note"}, texts: []string{"may clean up, but not create sessions", `for an application: GRANT INSERT, UPDATE ON "sessions" TO $ROLE`},
	},
	{
		name: "cleanup that can not lock", statements: []string{"REVOKE INSERT, UPDATE ON sessions FROM $ROLE"},
		want: []string{"grants error"}, texts: []string{"lacks INSERT, UPDATE", "UPDATE to lock rows"},
	},
	{
		name: "row level security without a policy", statements: []string{"ALTER TABLE sessions ENABLE ROW LEVEL SECURITY"},
		want:  []string{"policies error"},
		texts: []string{"lets the user SELECT, INSERT, UPDATE, DELETE no row", `CREATE POLICY sessions ON "sessions" TO $ROLE USING (true)`},
	},
	{
		name: "a policy for INSERT alone", statements: []string{
			"ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON sessions FOR INSERT TO $ROLE WITH CHECK (true)",
		},
		want: []string{"policies error"}, texts: []string{"lets the user SELECT, UPDATE, DELETE no row", "row_security=off"},
	},
	{
		name: "a policy for others", statements: []string{
			"ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON sessions TO pg_monitor USING (true)",
		},
		want: []string{"policies error"}, texts: []string{"lets the user SELECT, INSERT, UPDATE, DELETE no row"},
	},
	{
		name: "a policy for all", statements: []string{"ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON sessions USING (true)"},
		want: []string{"policies note"}, texts: []string{"make sure that they hide no row"},
	},
	{
		name: "a policy that takes away", statements: []string{
			"ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON sessions USING (true)",
			"CREATE POLICY q ON sessions AS RESTRICTIVE FOR SELECT USING (version > 7)",
		},
		want: []string{"policies warning"}, texts: []string{"restrictive policy"},
	},
	{
		name: "a trigger before each row", statements: []string{
			"CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
			"CREATE TRIGGER swallows BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION swallow()",
			"CREATE TRIGGER after_all AFTER UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION swallow()",
		},
		want: []string{"triggers note"}, texts: []string{"the table has trigger swallows: "},
	},
	{
		name: "a rule", statements: []string{"CREATE RULE keeps AS ON DELETE TO sessions DO INSTEAD NOTHING"},
		want: []string{"triggers note"}, texts: []string{"the table has rule keeps: "},
	},
	{
		name: "a superuser", statements: []string{"ALTER ROLE $ROLE SUPERUSER"},
		want: []string{"width warning"}, texts: []string{"the user is a superuser"},
	},
	{
		name: "truncate", statements: []string{"GRANT TRUNCATE ON sessions TO $ROLE"},
		want: []string{"width note"}, texts: []string{"more with the table than the store needs"},
	},
	{
		name: "an older schema", statements: []string{"UPDATE sessions_schema_migrations SET version = 2"},
		want: []string{"schema error"}, texts: []string{"2 steps pending", "version 2 of 4", "`sessions migrate up`"},
	},
	{
		name: "a dirty schema", statements: []string{"UPDATE sessions_schema_migrations SET version = 2, dirty = true"},
		want: []string{"schema error"}, texts: []string{"dirty", "`sessions migrate force VERSION`"},
	},
	{
		name: "isolation", statements: []string{"ALTER ROLE $ROLE SET default_transaction_isolation = 'serializable'"},
		want: []string{"isolation note"}, texts: []string{"isolation level serializable", "read committed"},
	},
	{
		name: "read only", statements: []string{"ALTER ROLE $ROLE SET default_transaction_read_only = on"},
		want: []string{"primary error"}, texts: []string{"is read-only: default_transaction_read_only is on", "connect to the primary"},
	},
	{
		name: "encoding", parameters: "client_encoding=LATIN1",
		want: []string{"settings error"}, texts: []string{"client_encoding is LATIN1", "add client_encoding=UTF8 to the DSN"},
	},
	{
		name: "date style", statements: []string{"ALTER ROLE $ROLE SET DateStyle = 'German'"},
		want: []string{"settings note"}, texts: []string{`DateStyle is "German, DMY"`, "add datestyle=ISO"},
	},
	{
		name: "date style as text", parameters: "default_query_exec_mode=exec", statements: []string{"ALTER ROLE $ROLE SET bytea_output = 'escape'"},
		want: []string{"settings error"}, texts: []string{`bytea_output "escape"`, "bytea_output=hex"},
	},
	{
		name: "settings", statements: []string{"ALTER ROLE $ROLE SET synchronous_commit = off", "ALTER ROLE $ROLE SET statement_timeout = 900"},
		want: []string{"settings note", "settings note"}, texts: []string{"synchronous_commit is off", "logouts included"},
	},
	{
		name: "big data", statements: []string{columnsOf + `SELECT gen_random_uuid(), to_json(repeat('x', 1200000)), now(), 1, now(), now() + interval '1 day', now() + interval '1 hour', now() + interval '1 hour'`},
		want: []string{"data warning"}, texts: []string{"the largest data is 1.1 MiB", "in 1 row it is over 1 MiB"},
	},
	{
		name: "rows of a later version", statements: []string{
			columnsOf + `SELECT gen_random_uuid(), '{}', now(), 1, now(), now() + interval '1 day', now() + interval '1 hour', now() + interval '1 hour' FROM generate_series(1, 2)`,
			"UPDATE sessions SET format = 9",
		},
		want: []string{"format warning"}, texts: []string{"2 live rows written by a later version of the program", "update the application"},
	},
	{
		name: "backlog", statements: []string{columnsOf + `SELECT gen_random_uuid(), '{}', now(), 1, now(), now() - interval '30 hours', now() - interval '30 hours', now() - interval '29 hours' FROM generate_series(1, 7)`},
		want: []string{"expired warning"}, texts: []string{"7 expired rows, the oldest for 30 hours: no reaper seems to run", "`sessions cleanup --every 5m`"},
	},
}

var spoils = map[migrations.Dialect][]spoil{
	migrations.PostgreSQL: postgresSpoils,
	migrations.MySQL:      mysqlSpoils,
	migrations.SQLite:     sqliteSpoils,
}

func TestDoctorSpoiled(t *testing.T) {
	eachEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		for _, s := range spoils[b.Dialect] {
			t.Run(s.name, func(t *testing.T) { s.test(t, newPatient(t, b, binary)) })
		}
	})
}

// The examination is the same however the URL has statements sent.
func TestDoctorInEveryMode(t *testing.T) {
	binary := testbed.Build(t, "./cmd/sessions")
	for _, mode := range []string{"cache_statement", "cache_describe", "exec", "simple_protocol"} {
		t.Run("postgres "+mode, func(t *testing.T) {
			if testbed.PostgresPooler.Name != "" && !testbed.PostgresPooler.Prepares && mode == "cache_statement" {
				return // it is what "pooler warning" advises against
			}
			p := newPatient(t, testbed.Backends[testbed.Postgres], binary)
			p.create(t, "{}")
			p.address = testbed.WithParameters(p.address, "default_query_exec_mode="+mode)
			p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
			if bad, _ := p.diagnose(t); bad != nil {
				t.Error(bad)
			}
			p.run(t, 0, "deleted 0", "cleanup", "--once")
			p.run(t, 0, "up to date", "migrate", "status")
		})
	}
}
