package crash_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// kills is how often each is killed.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SESSIONS_TEST_KILLS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	testbed.Check(t, err)
	return n
}

// A server with durable settings that is killed with SIGKILL under load has all changes and
// endings that were acknowledged when it is back, and the application goes on without a restart.
func TestServerIsKilled(t *testing.T) {
	for engine, i := range map[servers.Engine]int{servers.PostgreSQL: testbed.PGXPool, servers.MySQL: testbed.MySQL} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			server, err := servers.StartDurable(t.Context(), engine, os.Stderr)
			testbed.Check(t, err)
			t.Cleanup(func() { testbed.Check(t, server.Close()) })
			t.Log(server.Version())
			address, _, err := server.CreateDatabase(t.Context())
			testbed.Check(t, err)
			tab := b.ConnectTo(t, address).NewTable(t)
			a := testbed.NewApp(t, tab, func(o *sessions.Options) { o.Timeout = 3 * time.Second })
			tr := newTraffic(t)
			for range kills(t) {
				tr.start(a.Server.URL)
				tr.more(50 + rand.Int64N(200))
				testbed.Check(t, server.Crash(t.Context()))
				tr.end()
				testbed.Check(t, server.Start(t.Context()))
				tr.check()
			}
			t.Logf("killed %d times; %d changes acknowledged, %d requests refused", kills(t), tr.acked.Load(), tr.refused.Load())
			a.NoConnectionInUse(t)
		})
	}
}

// The same for an application on a SQLite file.
func TestSQLiteApplicationIsKilled(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		c, dsn := testbed.OpenFile(t, "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		tab := c.NewTable(t)
		tr := newTraffic(t)
		for range kills(t) {
			p := tab.Process(t, testbed.SQLite, dsn)
			tr.start(p.Server.URL)
			tr.more(50 + rand.Int64N(200))
			testbed.Check(t, p.Kill())
			tr.end()
			p = tab.Process(t, testbed.SQLite, dsn)
			tr.base.Store(&p.Server.URL)
			tr.check()
			testbed.Check(t, p.End())
		}
		t.Logf("killed %d times; %d changes acknowledged, %d requests refused", kills(t), tr.acked.Load(), tr.refused.Load())
	})
}
