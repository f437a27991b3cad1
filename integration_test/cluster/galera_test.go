package cluster_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
)

// syncWait makes SELECT (1) and UPDATE and DELETE (2) wait until the node has
// applied what any node has answered for.
const syncWait = "3"

// A galera is a cluster with a database of its own on it.
type galera struct{ *servers.Galera }

// TestGalera runs all that needs a Galera cluster on one, which takes longer to
// start than the rest. The last one kills nodes.
func TestGalera(t *testing.T) {
	cluster, err := servers.StartGalera(t.Context(), 3, os.Stderr)
	testbed.Check(t, err)
	defer cluster.Close()
	g := galera{cluster}
	first := sql.OpenDB(g.connector(t, 0, syncWait))
	defer first.Close()
	_, err = first.ExecContext(t.Context(), "CREATE DATABASE app")
	testbed.Check(t, err)
	t.Run("Migrations", g.testMigrations)
	t.Run("Doctor", g.testDoctor)
	t.Run("Reads", g.testReads)
	t.Run("Revocation", g.testRevocation)
	t.Run("LaggingNode", g.testLaggingNode)
	t.Run("RevokedSignIn", g.testRevokedSignIn)
	t.Run("Reapers", g.testReapers)
	t.Run("NodesDie", g.testNodesDie)
}

func (g galera) connector(t testing.TB, node int, wait string) driver.Connector {
	t.Helper()
	dsn, err := servers.MySQLDSN(g.Nodes[node].URL())
	testbed.Check(t, err)
	config, err := mysql.ParseDSN(dsn)
	testbed.Check(t, err)
	config.Logger = &mysql.NopLogger{}
	config.Params = map[string]string{"wsrep_sync_wait": wait}
	connector, err := mysql.NewConnector(config)
	testbed.Check(t, err)
	return connector
}

func (g galera) open(t testing.TB, c driver.Connector) *sql.DB {
	t.Helper()
	db := sql.OpenDB(c)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// node opens the database through one node.
func (g galera) node(t testing.TB, node int, wait string) *sql.DB {
	t.Helper()
	return g.open(t, g.connector(t, node, wait))
}

// newTable makes a table for the test and returns its name.
func (g galera) newTable(t *testing.T) string {
	t.Helper()
	name := "t_" + strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	m, err := migrator.New(g.node(t, 0, syncWait), migrations.MySQL, migrator.Options{Schema: "app", Table: name})
	testbed.Check(t, err)
	_, err = m.Up(t.Context())
	testbed.Check(t, err)
	return name
}

func (g galera) store(t testing.TB, db *sql.DB, table string) sessions.Store {
	t.Helper()
	s, err := mysqlstore.New(db).With(mysqlstore.Options{Schema: "app", Table: table})
	testbed.Check(t, err)
	return s
}

// apps are an application on each node.
func (g galera) apps(t testing.TB, table, wait string, adapt ...func(*sessions.Options)) (apps []*app) {
	t.Helper()
	for i := range g.Nodes {
		apps = append(apps, newApp(t, fmt.Sprintf("node %d", i+1), g.store(t, g.node(t, i, wait), table), adapt...))
	}
	return apps
}

// status adds up a counter of some nodes.
func (g galera) status(t testing.TB, name string, nodes ...int) (sum int) {
	t.Helper()
	for _, i := range nodes {
		var n int
		db := g.node(t, i, "0")
		testbed.Check(t, db.QueryRowContext(t.Context(),
			"SELECT variable_value FROM information_schema.global_status WHERE variable_name = ?", name).Scan(&n))
		sum += n
	}
	return sum
}

// anyOf connects to the first node that takes queries, in the order given.
type anyOf []driver.Connector

func (a anyOf) Driver() driver.Driver { return a[0].Driver() }

func (a anyOf) Connect(ctx context.Context) (driver.Conn, error) {
	var errs []error
	for _, c := range a {
		conn, err := c.Connect(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		// A node that has lost the others takes connections, and refuses queries.
		rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "SELECT 1", nil)
		if err == nil {
			return conn, rows.Close()
		}
		errs = append(errs, err, conn.Close())
	}
	return nil, errors.Join(errs...)
}
