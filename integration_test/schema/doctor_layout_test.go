package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
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
	} {
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
