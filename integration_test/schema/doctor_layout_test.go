package schema_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// What doctor makes of tables of PostgreSQL that consist of several.
func TestDoctorLayouts(t *testing.T) {
	binary := testbed.Build(t, "./cmd/sessions")
	for name, layout := range map[string]struct {
		make func(t *testing.T, p *patient)
		want []string
		text string
	}{
		"partitions": {func(t *testing.T, p *patient) { p.Partition(t) }, nil, "the table has 4 partitions, by HASH (id)"},
		"no partitions": {func(t *testing.T, p *patient) {
			p.Partition(t)
			for _, n := range []string{"0", "1", "2", "3"} {
				p.do(t, "DROP TABLE sessions_"+n)
			}
		}, []string{"layout error"}, "has no partitions, so no session can be created"},
		"partitions by another column": {func(t *testing.T, p *patient) {
			p.Partition(t)
			p.do(t, "CREATE TABLE other (LIKE sessions INCLUDING DEFAULTS, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)",
				"CREATE TABLE other_default PARTITION OF other DEFAULT", "DROP TABLE sessions", "ALTER TABLE other RENAME TO sessions",
				`CREATE INDEX ON sessions (user_id, id) WHERE user_id IS NOT NULL`, `CREATE INDEX ON sessions (label, id) WHERE label IS NOT NULL`,
				"CREATE INDEX ON sessions (reap_after)")
		}, []string{"indexes error"}, "partitioned by id alone"},
		"a child": {func(t *testing.T, p *patient) { p.Inherit(t) }, []string{"layout note"}, "keys are not inherited"},
		"a child without indexes": {func(t *testing.T, p *patient) {
			p.do(t, "CREATE TABLE sessions_child () INHERITS (sessions)")
		}, []string{"layout warning"}, "each request reads all of it"},
		"a view": {func(t *testing.T, p *patient) {
			p.do(t, "ALTER TABLE sessions RENAME TO hidden", "CREATE VIEW sessions AS TABLE hidden")
		}, []string{"columns error"}, "sessions is a view"},
		"a foreign table": {func(t *testing.T, p *patient) {
			p.NewAbroad(t).Table(p.Table, t)
		}, []string{"indexes note", "layout warning"}, "the table is a foreign table"},
		"foreign partitions": {func(t *testing.T, p *patient) {
			p.NewAbroad(t).Partitions(p.Table, t)
		}, []string{"indexes note", "layout warning"}, "the table is a foreign table, or has some below it"},
		"a foreign table of several": {func(t *testing.T, p *patient) {
			a := p.NewAbroad(t)
			a.Partitioned = true
			a.Table(p.Table, t)
			p.Fill(t, 8)
			p.Age(t, -72*time.Hour)
		}, []string{"indexes note", "layout error"}, "each change of a session may change others"},
	} {
		if strings.Contains(name, "foreign") && testbed.PostgresPooler.Name != "" {
			continue
		}
		t.Run("postgres "+name, func(t *testing.T) {
			p := newPatient(t, testbed.Backends[testbed.Postgres], binary)
			layout.make(t, p)
			p.Grant(t, testbed.GrantRuntime, p.role)
			p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
			bad, all := p.diagnose(t)
			if want := p.wantBad(layout.want...); !slices.Equal(bad, want) {
				t.Errorf("%v, want %v", bad, want)
			}
			if !slices.ContainsFunc(all, func(f finding) bool { return strings.Contains(f.Text+"\n"+f.Advice, layout.text) }) {
				t.Errorf("no %q in %v", layout.text, all)
			}
		})
	}
}

// A table that another program made is not called one that lacks columns.
func TestDoctorTableOfAnother(t *testing.T) {
	tables := map[migrations.Dialect]string{
		migrations.PostgreSQL: `CREATE TABLE sessions (sid varchar NOT NULL PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)`,
		migrations.MySQL:      "CREATE TABLE sessions (sid varchar(128) NOT NULL PRIMARY KEY, expire INT UNSIGNED NOT NULL, sess MEDIUMTEXT)",
		migrations.SQLite:     "CREATE TABLE sessions (sid TEXT NOT NULL PRIMARY KEY, sess TEXT NOT NULL, expire INTEGER NOT NULL)",
	}
	eachEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		p.do(t, "DROP TABLE sessions", "DROP TABLE sessions_schema_migrations", tables[b.Dialect])
		if p.role != "" {
			p.Grant(t, testbed.GrantRuntime, p.role)
		}
		bad, all := p.diagnose(t)
		want := p.wantBad("columns error")
		if b.Dialect == migrations.MySQL { // where one may not even know that there is no such table
			want = p.wantBad("columns error", "schema note")
		}
		if !slices.Equal(bad, want) {
			t.Errorf("%v, want %v", bad, want)
		}
		if !slices.ContainsFunc(all, func(f finding) bool { return strings.Contains(f.Text, "is another program's: its columns are sid, ") }) {
			t.Error(all)
		}
	})
}

// A table that was renamed keeps the names of its indexes. Each step says what to do next.
func TestTableThatWasRenamed(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		p := newPatient(t, testbed.Backends[testbed.Postgres], testbed.Build(t, "./cmd/sessions"))
		p.address = p.URL
		p.do(t, "ALTER TABLE sessions RENAME TO old")
		p.run(t, 6, "`sessions migrate force 0`, and then `sessions migrate up`", "doctor")
		p.run(t, 1, "table sessions is missing", "migrate", "up")
		p.run(t, 0, "at version 0", "migrate", "force", "0")
		p.run(t, 1, "rename or drop that too", "migrate", "up")
		for _, index := range []string{"pkey", "user_id_idx", "reap_after_idx", "label_idx"} {
			p.run(t, 1, "sessions_"+index, "migrate", "up")
			p.do(t, "ALTER INDEX sessions_"+index+" RENAME TO old_"+index)
		}
		p.run(t, 0, "sessions is at version 4", "migrate", "up")
	})
}
