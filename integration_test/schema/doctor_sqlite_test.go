package schema_test

// More of them, on files too, are beside the command itself.
var sqliteSpoils = []spoil{
	{name: "nothing"},
	{
		name: "no index", statements: []string{"DROP INDEX sessions_reap_after_idx"}, want: []string{"indexes warning"},
		texts: []string{"sessions_reap_after_idx is missing", `run CREATE INDEX "sessions_reap_after_idx" ON "sessions" ("reap_after")`},
	},
	{
		name: "another index of that name", statements: []string{"DROP INDEX sessions_user_id_idx", "CREATE INDEX sessions_user_id_idx ON sessions (user_id)"},
		want: []string{"indexes warning"}, texts: []string{`run DROP INDEX "sessions_user_id_idx", and then run CREATE INDEX`},
	},
	{
		name: "an index on expires_at", statements: []string{"CREATE INDEX extra ON sessions (expires_at)"},
		want: []string{"indexes warning"}, texts: []string{"extra contains expires_at"},
	},
	{
		name: "another column", statements: []string{"ALTER TABLE sessions RENAME COLUMN expires_at TO expiry"},
		want: []string{"columns error", "columns error", "content note"}, texts: []string{"column expires_at is missing"},
	},
	{
		name: "an older schema", statements: []string{"UPDATE sessions_schema_migrations SET version = 2"},
		want: []string{"schema error"}, texts: []string{"2 steps pending"},
	},
	{
		name: "a dirty schema", statements: []string{"UPDATE sessions_schema_migrations SET dirty = true"},
		want: []string{"schema error"}, texts: []string{"dirty"},
	},
	{
		name: "journal", statements: []string{"PRAGMA journal_mode = delete"},
		want: []string{"journal warning"}, texts: []string{"journal mode delete"},
	},
	{
		name: "big data", statements: []string{columnsOf + `VALUES (randomblob(16), '"' || hex(zeroblob(600000)) || '"', 0, 1, 0, 9e12, 9e12, 9e12)`},
		want: []string{"data warning"}, texts: []string{"in 1 row it is over 1 MiB"},
	},
	{
		name: "rows of a later version", statements: []string{columnsOf + `VALUES (randomblob(16), '{}', 0, 1, 0, 9e12, 9e12, 9e12)`, "UPDATE sessions SET format = 9"},
		want: []string{"format warning"}, texts: []string{"1 live row written by a later version of the program", "update the application"},
	},
	{
		name: "backlog", statements: []string{columnsOf + `VALUES (randomblob(16), '{}', 0, 1, 0, 0, (unixepoch() - 108000) * 1000, 0)`},
		want: []string{"expired warning"}, texts: []string{"1 expired row, the oldest for 30 hours"},
	},
}
