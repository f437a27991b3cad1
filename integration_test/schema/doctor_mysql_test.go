package schema_test

import (
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

var mysqlSpoils = []spoil{
	{name: "nothing"},
	{
		name: "no primary key", statements: []string{"ALTER TABLE sessions DROP PRIMARY KEY"},
		want: []string{"indexes error"}, texts: []string{"primary key on id is missing", "ALTER TABLE `sessions` ADD PRIMARY KEY (`id`)"},
	},
	{
		name: "no index", statements: []string{"DROP INDEX sessions_reap_after_idx ON sessions"}, want: []string{"indexes warning"},
		texts: []string{"sessions_reap_after_idx is missing", "run CREATE INDEX `sessions_reap_after_idx` ON `sessions` (`reap_after`)"},
	},
	{
		name: "a prefix index", statements: []string{"DROP INDEX sessions_user_id_idx ON sessions", "CREATE INDEX sessions_user_id_idx ON sessions (user_id(10), id)"},
		want:  []string{"indexes warning"},
		texts: []string{"sessions_user_id_idx is not what the migration makes", "run DROP INDEX `sessions_user_id_idx` ON `sessions`, and then run CREATE INDEX"},
	},
	{
		name: "a prefix of the ID", statements: []string{"ALTER TABLE sessions DROP PRIMARY KEY, ADD PRIMARY KEY (id(8))"},
		want: []string{"indexes error"}, texts: []string{"primary key on id is missing"},
	},
	{
		name: "no index on labels", statements: []string{"DROP INDEX sessions_label_idx ON sessions"}, want: []string{"indexes warning"},
		texts: []string{"sessions_label_idx is missing", "run CREATE INDEX `sessions_label_idx` ON `sessions` (`label`, `id`)"},
	},
	{
		name: "an index on verifiers", statements: []string{"CREATE INDEX extra ON sessions (verifier)"},
		want: []string{"indexes warning"}, texts: []string{"extra contains verifier: each new token", "drop it"},
	},
	{
		name: "an index on expires_at", statements: []string{"CREATE INDEX extra ON sessions (expires_at)"},
		want: []string{"indexes warning"}, texts: []string{"extra contains expires_at", "drop it"},
	},
	{
		name: "a prefix index on data", statements: []string{"CREATE INDEX extra ON sessions (data(20))"},
		want: []string{"indexes warning"}, texts: []string{"extra contains data"},
	},
	{
		name: "no column", statements: []string{"ALTER TABLE sessions DROP COLUMN user_id"},
		// What is left of the index is one on the ID.
		want: []string{"columns error", "indexes warning", "content note"}, texts: []string{"column user_id is missing"},
	},
	{
		name: "another column", statements: []string{"ALTER TABLE sessions RENAME COLUMN reap_after TO reap"},
		want: []string{"columns error", "columns error", "indexes warning", "content note"}, texts: []string{"column reap is not the store's"},
	},
	{
		name: "another type", statements: []string{"ALTER TABLE sessions MODIFY expires_at TIMESTAMP(6) NOT NULL"},
		want: []string{"columns error"}, texts: []string{"column expires_at is timestamp(6), and should be datetime(6)"},
	},
	{
		name: "collations", statements: []string{
			"ALTER TABLE sessions MODIFY label VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL",
			"ALTER TABLE sessions MODIFY user_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL",
		},
		want:  []string{"columns error", "columns error"},
		texts: []string{"column user_id is varchar(255) character set utf8mb4, and should be varbinary(255)"},
	},
	{
		name: "charset of data", statements: []string{"ALTER TABLE sessions MODIFY `data` MEDIUMTEXT CHARACTER SET latin1 NOT NULL"},
		want: []string{"columns error"}, texts: []string{"column data is mediumtext character set latin1, and should be mediumtext character set utf8mb4"},
	},
	{
		name: "another engine", statements: []string{"ALTER TABLE sessions ENGINE = MyISAM"},
		want: []string{"engine error"}, texts: []string{"the table is in MyISAM", "ALTER TABLE `sessions` ENGINE = InnoDB"},
	},
	{
		name: "a grant is missing", statements: []string{"REVOKE UPDATE, DELETE ON sessions FROM $ROLE"},
		want: []string{"grants error"}, texts: []string{"lacks UPDATE, DELETE", "GRANT UPDATE, DELETE ON `sessions` TO '$ROLE'@'%'"},
	},
	{
		name: "cleanup alone", statements: []string{"REVOKE INSERT ON sessions FROM $ROLE"},
		want: []string{"grants note"}, texts: []string{"may clean up, but not create sessions", "for an application: GRANT INSERT ON `sessions` TO '$ROLE'@'%'"},
	},
	{
		name: "all databases", statements: []string{"GRANT ALL PRIVILEGES ON *.* TO $ROLE"},
		want: []string{"width warning"}, texts: []string{"with all databases"},
	},
	{
		name: "more than the store needs", statements: []string{"GRANT ALTER, DROP ON sessions TO $ROLE"},
		want: []string{"width note"}, texts: []string{"more than the store needs", "ALTER"},
	},
	{
		name: "more with all tables", statements: []string{"GRANT CREATE ON `%`.* TO $ROLE", "CREATE DATABASE IF NOT EXISTS other", "GRANT ALTER ON other.* TO $ROLE"},
		want: []string{"width note"}, texts: []string{"more than the store needs: CREATE"},
	},
	{
		name: "an older schema", statements: []string{"UPDATE sessions_schema_migrations SET version = 1"},
		want: []string{"schema error"}, texts: []string{"3 steps pending", "version 1 of 4"},
	},
	{
		name: "a dirty schema", statements: []string{"UPDATE sessions_schema_migrations SET dirty = true"},
		want: []string{"schema error"}, texts: []string{"dirty", "half-way at version 4"},
	},
	{
		name: "isolation", parameters: "ISOLATION=%27SERIALIZABLE%27",
		want: []string{"isolation note"}, texts: []string{"isolation level serializable"},
	},
	{
		name: "read only", parameters: "READ_ONLY=1",
		want: []string{"primary error", "grants note"}, texts: []string{"is read-only", "read_only is ON"},
	},
	{
		name: "not strict", parameters: "sql_mode=%27%27",
		want: []string{"sql_mode warning"}, texts: []string{"not strict"},
	},
	{name: "limits", parameters: "sql_select_limit=2&group_concat_max_len=4"},
	{
		name: "safe updates", parameters: "sql_safe_updates=1&charset=gbk",
		want: []string{"settings note", "settings note"}, texts: []string{"sql_safe_updates is ON", "one by one"},
	},
	{
		name: "small joins", parameters: "max_join_size=100000&sql_big_selects=0",
		want: []string{"settings warning"}, texts: []string{"sql_big_selects is OFF", "may be refused"},
	},
	{
		name: "transactions that go on", parameters: "completion_type=%27CHAIN%27",
		want:  []string{"grants note", "settings error"}, // the read-only transactions of the checks go on too
		texts: []string{"the store refuses this connection: completion_type is CHAIN", "remove it from the DSN"},
	},
	{
		name: "bytes that are converted", parameters: "collation_connection=%27utf8mb3_general_ci%27",
		want: []string{"settings error"}, texts: []string{"collation_connection is of utf8mb3", "add charset=utf8mb4 to the DSN"},
	},
	{
		name: "big data", statements: []string{columnsOf + "VALUES (UNHEX(LEFT(SHA2('k', 256), 32)), JSON_QUOTE(REPEAT('x', 1200000)), UTC_TIMESTAMP(6), 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 1 DAY, UTC_TIMESTAMP(6) + INTERVAL 1 HOUR, UTC_TIMESTAMP() + INTERVAL 1 HOUR)"},
		want: []string{"data warning"}, texts: []string{"the largest data is 1.1 MiB", "in 1 row it is over 1 MiB"},
	},
	{
		name: "rows of a later version", statements: []string{
			columnsOf + "VALUES (UNHEX(LEFT(SHA2('k', 256), 32)), '{}', UTC_TIMESTAMP(6), 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 1 DAY, UTC_TIMESTAMP(6) + INTERVAL 1 HOUR, UTC_TIMESTAMP() + INTERVAL 1 HOUR)",
			"UPDATE sessions SET format = 9",
		},
		want: []string{"format warning"}, texts: []string{"1 live row written by a later version of the program", "update the application"},
	},
	{
		name: "backlog", statements: []string{columnsOf + "VALUES (UNHEX(LEFT(SHA2('k', 256), 32)), '{}', UTC_TIMESTAMP(6), 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) - INTERVAL 30 HOUR, UTC_TIMESTAMP(6) - INTERVAL 30 HOUR, UTC_TIMESTAMP() - INTERVAL 29 HOUR)"},
		want: []string{"expired warning"}, texts: []string{"1 expired row, the oldest for 30 hours: no reaper seems to run"},
	},
}

// An index that the optimizer may not use is called differently by the two products.
func TestMySQLDoctorSeesUnusedIndexes(t *testing.T) {
	b := testbed.Backends[testbed.MySQL]
	binary := testbed.Build(t, "./cmd/sessions")
	off, on := "INVISIBLE", "VISIBLE"
	if testbed.MariaDB(t) {
		off, on = "IGNORED", "NOT IGNORED"
	}
	s := spoil{
		statements: []string{"ALTER TABLE sessions ALTER INDEX sessions_reap_after_idx " + off},
		want:       []string{"indexes warning", "indexes warning"},
		texts:      []string{"sessions_reap_after_idx is not in use", "ALTER TABLE `sessions` ALTER INDEX `sessions_reap_after_idx` " + on},
	}
	p := newPatient(t, b, binary)
	s.test(t, p)
	p.do(t, "ALTER TABLE sessions ALTER INDEX sessions_reap_after_idx "+on) // as was advised
	if bad, _ := p.diagnose(t); bad != nil {
		t.Error(bad)
	}
}

// mysqlVariables puts in the names that the server under test has for two variables.
func mysqlVariables(t *testing.T, parameters string) string {
	t.Helper()
	var isolation, level string
	testbed.Check(t, testbed.Backends[testbed.MySQL].Connect(t).DB.QueryRowContext(t.Context(),
		"SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')").Scan(&isolation, &level))
	names := []string{"ISOLATION", isolation, "READ_ONLY", strings.Replace(isolation, "isolation", "read_only", 1)}
	return strings.NewReplacer(names...).Replace(parameters)
}
