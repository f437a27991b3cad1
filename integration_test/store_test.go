package integration_test

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/storetest"
)

// TestStore runs the conformance suite on every backend.
func TestStore(t *testing.T) {
	each(t, func(t *testing.T, b backend) { runSuite(t, b.connect(t)) })
}

// runSuite runs it on tables of these connections, with changes to each.
func runSuite(t *testing.T, c *conns, changes ...func(tab *table, t testing.TB)) {
	t.Helper()
	tables := map[sessions.Store]*table{}
	storetest.Run(t, storetest.Harness{
		New: func(t *testing.T) sessions.Store {
			tab := c.newTable(t)
			for _, change := range changes {
				change(tab, t)
			}
			tables[tab.store] = tab
			return tab.store
		},
		Age: func(t *testing.T, s sessions.Store, d time.Duration) {
			tables[s].age(t, d)
		},
		Break: func(t *testing.T, s sessions.Store) {
			c.close()
			t.Cleanup(func() { c.open(t, c) })
		},
	})
}

// TestStoreInEveryMode runs the suite in the modes that drivers offer, which
// differ in how parameters travel and whether statements are prepared. The tables
// are those of a later version of the program, so that this takes no run of its own.
func TestStoreInEveryMode(t *testing.T) {
	// MariaDB before 11.1 and MySQL have no name for it in common.
	var isolation, level string
	check(t, backends[2].connect(t).db.QueryRowContext(t.Context(),
		"SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')").Scan(&isolation, &level))
	for name, mode := range map[string]struct {
		backend    int
		parameters string
	}{
		"pgxpool cache_describe":   {0, "default_query_exec_mode=cache_describe"},
		"pgxpool describe_exec":    {0, "default_query_exec_mode=describe_exec"},
		"pgxpool exec":             {0, "default_query_exec_mode=exec"},
		"pgxpool simple_protocol":  {0, "default_query_exec_mode=simple_protocol"},
		"postgres exec":            {1, "default_query_exec_mode=exec"},
		"postgres simple_protocol": {1, "default_query_exec_mode=simple_protocol"},
		"mysql interpolateParams":  {2, "interpolateParams=true"},
		"mysql clientFoundRows":    {2, "clientFoundRows=true"},
		"mysql parseTime":          {2, "parseTime=true&loc=Asia%2FKathmandu&time_zone=%27%2B05%3A45%27"},
		"mysql sql_mode":           {2, "sql_mode=%27%27"},
		"mysql read committed":     {2, isolation + "=%27READ-COMMITTED%27"},
		"postgres time zone":       {1, "timezone=America%2FSt_Johns"},
		"postgres serializable":    {1, "default_transaction_isolation=serializable"},
		"libpq binary_parameters":  {4, "binary_parameters=yes"},
	} {
		if b := backends[mode.backend]; b.dialect == migrations.PostgreSQL && postgresPooler.leavesOut(t, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := backends[mode.backend]
			url := postgresURL
			if b.name == "mysql" {
				url = mysqlURL
			}
			runSuite(t, b.connectTo(t, withParameters(url, mode.parameters)), (*table).ofTomorrow)
		})
	}
}
