package stores_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/storetest"
)

// TestStore runs the conformance suite on every backend. Connections to servers go through a
// proxy, which breaks them when the suite asks for it.
func TestStore(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		c := b.Connect(t)
		if b.Dialect == migrations.SQLite {
			testbed.RunSuite(t, c)
			return
		}
		server, err := url.Parse(c.URL)
		testbed.Check(t, err)
		proxy := faultproxy.New(t, server.Host)
		c = b.ConnectTo(t, proxy.URL(t, c.URL))
		h := testbed.Harness(t, c)
		h.Fail = func(_ *testing.T, _ sessions.Store, fault storetest.Fault, n int) func() bool {
			kind := faultproxy.ResetBefore
			if fault == storetest.LostAnswer {
				kind = faultproxy.LoseAnswer
			}
			proxy.Next(n, kind)
			return func() bool {
				defer c.Renew() // all were reset, and no driver is sure to notice before it sends something
				return proxy.Happened()
			}
		}
		storetest.Run(t, h)
	})
}

// TestStoreInEveryMode runs the suite in the modes that drivers offer, which
// differ in how parameters travel and whether statements are prepared. The tables
// are those of a later version of the program, so that this takes no run of its own.
func TestStoreInEveryMode(t *testing.T) {
	// MariaDB before 11.1 and MySQL have no name for it in common.
	var isolation, level string
	testbed.Check(t, testbed.Backends[testbed.MySQL].Connect(t).DB.QueryRowContext(t.Context(),
		"SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')").Scan(&isolation, &level))
	for name, mode := range map[string]struct {
		backend    int
		parameters string
	}{
		"pgxpool cache_describe":   {testbed.PGXPool, "default_query_exec_mode=cache_describe"},
		"pgxpool describe_exec":    {testbed.PGXPool, "default_query_exec_mode=describe_exec"},
		"pgxpool exec":             {testbed.PGXPool, "default_query_exec_mode=exec"},
		"pgxpool simple_protocol":  {testbed.PGXPool, "default_query_exec_mode=simple_protocol"},
		"postgres exec":            {testbed.Postgres, "default_query_exec_mode=exec"},
		"postgres simple_protocol": {testbed.Postgres, "default_query_exec_mode=simple_protocol"},
		"mysql interpolateParams":  {testbed.MySQL, "interpolateParams=true"},
		"mysql clientFoundRows":    {testbed.MySQL, "clientFoundRows=true"},
		"mysql parseTime":          {testbed.MySQL, "parseTime=true&loc=Asia%2FKathmandu&time_zone=%27%2B05%3A45%27"},
		"mysql sql_mode":           {testbed.MySQL, "sql_mode=%27%27"},
		"mysql read committed":     {testbed.MySQL, isolation + "=%27READ-COMMITTED%27"},
		"postgres time zone":       {testbed.Postgres, "timezone=America%2FSt_Johns"},
		"postgres serializable":    {testbed.Postgres, "default_transaction_isolation=serializable"},
		"libpq binary_parameters":  {testbed.LibPQ, "binary_parameters=yes"},
	} {
		if b := testbed.Backends[mode.backend]; b.Dialect == migrations.PostgreSQL {
			// To a PostgreSQL of another version the modes are all the same; a pooler tells them apart.
			if testbed.PostgresPooler.LeavesOut(t, name) || testing.Short() && testbed.PostgresPooler.Name == "" {
				continue
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := testbed.Backends[mode.backend]
			url := testbed.PostgresURL
			if b.Name == "mysql" {
				url = testbed.MySQLURL
			}
			run := testbed.RunSuiteInMode
			if strings.Contains(mode.parameters, "isolation") {
				run = testbed.RunSuite // which decides races
			}
			run(t, b.ConnectTo(t, testbed.WithParameters(url, mode.parameters)), (*testbed.Table).OfTomorrow)
		})
	}
}

// TestStoreOnWrappedConnections runs the suite where the store can't ask pgx directly.
func TestStoreOnWrappedConnections(t *testing.T) {
	if !testing.Short() { // to a PostgreSQL of another version it makes no difference
		testbed.RunSuiteInMode(t, testbed.Wrapped.Connect(t), (*testbed.Table).OfTomorrow)
	}
}
