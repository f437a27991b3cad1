package testbed

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// DumpOf returns all columns of the selected rows as text.
func (tab *Table) DumpOf(t *testing.T, selections ...string) string {
	t.Helper()
	var dump strings.Builder
	for _, from := range selections {
		rows, err := tab.DB.QueryContext(t.Context(), "SELECT * FROM "+from) //nolint:unqueryvet,sqlclosecheck // all there is, read to its end
		Check(t, err)
		columns, err := rows.Columns()
		Check(t, err)
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			Check(t, rows.Scan(into...))
			for i, v := range values {
				if raw, ok := v.([]byte); ok {
					fmt.Fprintf(&dump, "%s=%s %x\n", columns[i], raw, raw)
				} else {
					fmt.Fprintf(&dump, "%s=%v\n", columns[i], v)
				}
			}
		}
		Check(t, rows.Err()) // and at the end of the rows they are closed
	}
	return dump.String()
}

// OfTomorrow adds what a later version may add: an index, and columns that are nullable or
// have a default.
func (tab *Table) OfTomorrow(t testing.TB) {
	t.Helper()
	when := map[migrations.Dialect]string{
		migrations.PostgreSQL: "timestamptz", migrations.MySQL: "DATETIME(6) NULL", migrations.SQLite: "INTEGER",
	}[tab.Dialect]
	tab.Exec(t,
		"ALTER TABLE $TABLE ADD COLUMN later_text TEXT",
		"ALTER TABLE $TABLE ADD COLUMN later_number INTEGER NOT NULL DEFAULT 7",
		"ALTER TABLE $TABLE ADD COLUMN later_time "+when,
		"CREATE INDEX $TABLE_later_idx ON $TABLE (later_number)")
}

// Exec executes statements, with the name of the table for $TABLE.
func (tab *Table) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := tab.DB.ExecContext(t.Context(), strings.ReplaceAll(statement, "$TABLE", tab.Name))
		Check(t, err)
	}
}

// Partition replaces the migrated table by one with four partitions.
func (tab *Table) Partition(t testing.TB) {
	t.Helper()
	all, err := migrations.Steps(migrations.PostgreSQL, "", tab.Name)
	Check(t, err)
	create, _, ok := strings.Cut(all[0].Up, ") WITH (") // parameters are the partitions'
	if !ok {
		t.Fatalf("the first step is another: %s", all[0].Up)
	}
	tab.Exec(t, "DROP TABLE $TABLE", create+") PARTITION BY HASH (id)")
	for i := range 4 {
		tab.Exec(t, fmt.Sprintf("CREATE TABLE $TABLE_%d PARTITION OF $TABLE FOR VALUES WITH (MODULUS 4, REMAINDER %[1]d)", i))
	}
	for _, step := range all[1:] {
		tab.Exec(t, step.Up)
	}
}

// Inherit gives the table a child.
func (tab *Table) Inherit(t testing.TB) {
	t.Helper()
	tab.Exec(t, "CREATE TABLE $TABLE_child (PRIMARY KEY (id)) INHERITS ($TABLE)", "CREATE INDEX ON $TABLE_child (reap_after)")
	t.Cleanup(func() { _, _ = tab.DB.ExecContext(context.Background(), "DROP TABLE "+tab.Name+"_child") })
}

// Migrator returns a migrator for the table.
func (c *Conns) Migrator(t *testing.T, name string) *migrator.Migrator {
	t.Helper()
	m, err := migrator.New(c.DB, c.Dialect, migrator.Options{Table: name})
	Check(t, err)
	return m
}

// Fill inserts n rows that expired days ago.
func (tab *Table) Fill(t testing.TB, n int) {
	t.Helper()
	insert := map[migrations.Dialect]string{
		migrations.PostgreSQL: `SELECT lpad(to_hex(i), 32, '0')::uuid, sha256(i::text::bytea), 1, '{"a":1}',
			now() - interval '9 days', now() - interval '3 days', now() - interval '2 days', now() - interval '2 days', date_trunc('hour', now()) - interval '47 hours'
			FROM generate_series(1, $N) AS i`,
		migrations.MySQL: `WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 999), e AS (SELECT a.i * 1000 + b.i + 1 AS i FROM d AS a JOIN d AS b)
			SELECT UNHEX(LPAD(HEX(i), 32, '0')), UNHEX(SHA2(i, 256)), 1, '{"a":1}',
			UTC_TIMESTAMP(6) - INTERVAL 9 DAY, UTC_TIMESTAMP(6) - INTERVAL 3 DAY, UTC_TIMESTAMP(6) - INTERVAL 2 DAY,
			UTC_TIMESTAMP(6) - INTERVAL 2 DAY, UTC_TIMESTAMP - INTERVAL 47 HOUR
			FROM e WHERE i <= $N`,
		migrations.SQLite: `WITH RECURSIVE d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < $N)
			SELECT unhex(printf('%032x', i)), randomblob(32), 1, '{"a":1}',
			(unixepoch() - 777600) * 1000, (unixepoch() - 259200) * 1000,
			(unixepoch() - 172800) * 1000, (unixepoch() - 172800) * 1000, (unixepoch() - 169200) * 1000 FROM d`,
	}[tab.Dialect]
	_, err := tab.DB.ExecContext(t.Context(), "INSERT INTO "+tab.Name+
		" (id, verifier, version, data, created_at, seen_at, absolute_expires_at, expires_at, reap_after) "+strings.ReplaceAll(insert, "$N", fmt.Sprint(n)))
	Check(t, err)
}

// TakeConnection takes a connection out of the pool.
func (tab *Table) TakeConnection(t *testing.T) (release func()) {
	t.Helper()
	if tab.Pool != nil {
		conn, err := tab.Pool.Acquire(t.Context())
		Check(t, err)
		return conn.Release
	}
	conn, err := tab.DB.Conn(t.Context())
	Check(t, err)
	return func() { Check(t, conn.Close()) }
}
