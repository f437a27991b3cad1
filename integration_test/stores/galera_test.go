package stores_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/mysqlstore"
)

// A server without Galera has no variable wsrep_sync_wait: its connections name another one
// that the server lacks.
type withoutGalera struct{ sqldriver.Connector }

func (c withoutGalera) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	return galeralessConn{conn}, err
}

type galeralessConn struct{ sqldriver.Conn }

func (c galeralessConn) Prepare(query string) (sqldriver.Stmt, error) {
	return c.Conn.Prepare(strings.ReplaceAll(query, "wsrep_sync_wait", "wsrep_no_such_variable"))
}

func TestMarksWithoutGalera(t *testing.T) {
	b := testbed.Backends[testbed.MySQL]
	tab := b.NewTable(t)
	dsn, err := servers.MySQLDSN(tab.URL)
	testbed.Check(t, err)
	config, err := mysql.ParseDSN(dsn)
	testbed.Check(t, err)
	connector, err := mysql.NewConnector(config)
	testbed.Check(t, err)
	db := sql.OpenDB(withoutGalera{connector})
	defer db.Close()
	store, err := mysqlstore.New(db).With(mysqlstore.Options{Table: tab.Name})
	testbed.Check(t, err)
	_, err = store.EndAll(t.Context(), driver.EndAllRequest{
		User: "alice", Limit: 1, Reason: "test", Keep: time.Hour, Mark: driver.Mark{Number: 7, Keep: time.Hour},
	})
	testbed.Check(t, err)
	for range 2 {
		marks, err := store.Marks(t.Context(), driver.MarksRequest{ID: testbed.NewRow("").ID, User: "alice"})
		if len(marks) != 1 || err != nil || marks[0].Number != 7 {
			t.Errorf("%+v, %v", marks, err)
		}
	}
}
