package faults_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// The paths of the operations in another process.
var inAnotherProcess = map[string]func(c *cell) string{
	"create":      func(*cell) string { return "/set?v=new" },
	"save":        func(*cell) string { return "/count" },
	"touch":       func(*cell) string { return "/read" },
	"regenerate":  func(*cell) string { return "/regenerate" },
	"sign-in":     func(c *cell) string { return "/login?u=" + c.name },
	"destroy":     func(*cell) string { return "/logout" },
	"revoke user": func(*cell) string { return "/everywhere" },
	"reap":        func(*cell) string { return "/sweep" },
	"migrate":     func(c *cell) string { return "/migrate?table=" + c.fresh() },
}

// The application is killed between any two statements of an operation (F16). The operation was
// carried out or it was not; another process goes on.
func TestApplicationIsKilled(t *testing.T) {
	for _, i := range []int{testbed.PGXPool, testbed.MySQL, testbed.SQLite} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			direct := b.Connect(t)
			address := direct.URL
			switch b.Dialect {
			case migrations.PostgreSQL:
				address = testbed.PostgresPooler.ForPgx(address)
			case migrations.SQLite:
				direct, address = testbed.OpenFile(t, "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)")
			}
			migrated := direct.NewTable(t)
			testbed.Parallel(len(operations), func(j int) {
				if op := &operations[j]; inAnotherProcess[op.name] != nil {
					t.Run(op.name, func(t *testing.T) { testKilled(t, op, i, address, migrated.Another(t)) })
				}
			})
		})
	}
}

func testKilled(t *testing.T, op *operation, backend int, address string, tab *testbed.Table) {
	c := newCell(t, op, tab, tab, calmly)
	c.dead = true
	for n := 1; n < mostTurns; n += op.stride() {
		c.T = t
		c.fill()
		p := tab.Process(t, backend, address)
		c.user.On(p.App)
		r, err := http.NewRequest(http.MethodGet, p.Server.URL+inAnotherProcess[op.name](c), nil)
		testbed.Check(t, err)
		r.Header.Set(testbed.DieAfter, strconv.Itoa(n))
		answer, err := c.user.Do(r)
		testbed.Check(t, p.Kill())
		c.user.On(c.calm)
		if err == nil { // all of it is done by then
			testbed.Check(t, answer.Body.Close())
			if answer.StatusCode != http.StatusOK {
				t.Errorf("answered %d", answer.StatusCode)
			}
			return
		}
		t.Run(fmt.Sprintf("after statement %d", n), func(t *testing.T) {
			c.T = t
			c.judge(outcome{err: err}, unknown)
			c.recover()
		})
	}
	t.Fatal("no operation ends")
}
