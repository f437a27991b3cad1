package testbed

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
)

// A Backend is a database and a driver for it.
type Backend struct {
	Name    string
	Dialect migrations.Dialect
	Open    func(t testing.TB, c *Conns)
}

// Conns is an open pool, and a count of its statements.
type Conns struct {
	Backend
	URL        string // of the shared server if it was ""
	DB         *sql.DB
	size       int           // of each pool
	Pool       *pgxpool.Pool // for the backend that goes through one
	Statements Sent          // sent through the pool so far
	renewed    atomic.Int64  // times
}

const poolSize = 20

// Indexes into [Backends].
const (
	PGXPool = iota
	Postgres
	MySQL
	SQLite
	LibPQ
)

// Backends are all of them. Subtests are named after them, and matrix/run knows the names.
var Backends = []Backend{
	{"pgxpool", migrations.PostgreSQL, openPool},
	{"postgres", migrations.PostgreSQL, openPostgres},
	{"mysql", migrations.MySQL, openMySQL},
	{"sqlite", migrations.SQLite, openSQLite},
	{"libpq", migrations.PostgreSQL, openLibPQ},
}

// Each runs a test on every backend, with [OneByOne] on those that know the option.
func Each(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	if OneByOne {
		EachServer(t, test)
		return
	}
	for _, b := range Backends {
		t.Run(b.Name, func(t *testing.T) { test(t, b) })
	}
}

// EachServer is Each without SQLite.
func EachServer(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	for _, b := range Backends {
		if b.Dialect != migrations.SQLite {
			t.Run(b.Name, func(t *testing.T) { test(t, b) })
		}
	}
}

// EachEngine is EachServer with one driver for each engine.
func EachEngine(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	for _, b := range []Backend{Backends[0], Backends[MySQL]} {
		t.Run(b.Name, func(t *testing.T) { test(t, b) })
	}
}

// EachPostgres is Each for PostgreSQL alone.
func EachPostgres(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	for _, b := range Backends {
		if b.Dialect == migrations.PostgreSQL {
			t.Run(b.Name, func(t *testing.T) { test(t, b) })
		}
	}
}

// Connect opens a pool on the shared server, or on a new SQLite file. It is closed after the test.
func (b Backend) Connect(t testing.TB) *Conns { return b.ConnectTo(t, "") }

// ConnectTo is Connect for another database.
func (b Backend) ConnectTo(t testing.TB, url string) *Conns {
	t.Helper()
	return b.ConnectSized(t, url, poolSize)
}

// ConnectSized is ConnectTo with a pool of another size.
func (b Backend) ConnectSized(t testing.TB, url string, size int) *Conns {
	t.Helper()
	c := &Conns{Backend: b, URL: url, size: size}
	b.Open(t, c)
	t.Cleanup(c.Close)
	return c
}

// Close closes the pool. Open opens it again.
func (c *Conns) Close() {
	_ = c.DB.Close()
	if c.Pool != nil {
		c.Pool.Close()
	}
}

// Check ends the test on an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openPostgres has connections that are pgx's own, as stores ask these directly.
func openPostgres(t testing.TB, c *Conns) {
	if c.URL == "" {
		c.URL = PostgresURL
	}
	config, err := pgx.ParseConfig(PostgresPooler.ForPgx(c.URL))
	Check(t, err)
	config.Tracer = tracer{&c.Statements}
	c.limit(stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(_ context.Context, config *pgx.ConnConfig) error {
		born := c.renewed.Load() // before the server is asked
		config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
			conn.CustomData()["born"] = born
			return nil
		}
		return nil
	}), stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
		if conn.PgConn().CustomData()["born"] != c.renewed.Load() {
			return driver.ErrBadConn // and the pool takes another
		}
		return nil
	})))
}

// Wrapped has what wraps pgx's connections, as programs do that observe statements.
var Wrapped = Backend{"postgres wrapped", migrations.PostgreSQL, func(t testing.TB, c *Conns) {
	config, err := pgx.ParseConfig(cmp.Or(c.URL, PostgresURL))
	Check(t, err)
	c.openDB(stdlib.GetConnector(*config))
}}

func openLibPQ(t testing.TB, c *Conns) {
	if c.URL == "" {
		c.URL = PostgresURL
	}
	connector, err := pq.NewConnector(PostgresPooler.forLibPQ(c.URL))
	Check(t, err)
	c.openDB(connector)
}

// openDB opens a pool of database/sql and counts its statements.
func (c *Conns) openDB(connector driver.Connector) {
	c.limit(sql.OpenDB(counting{connector, &c.Statements, &c.renewed}))
}

func (c *Conns) limit(db *sql.DB) {
	c.DB = db
	c.DB.SetMaxOpenConns(c.size)
	c.DB.SetMaxIdleConns(c.size)
}

// Renew closes the idle connections, as they are dead, or others are wanted. Those in use are
// closed when they come back, or are taken next: a caller may have its answer shortly before the
// pool has its connection.
func (c *Conns) Renew() {
	c.renewed.Add(1)
	c.DB.SetMaxIdleConns(0)
	c.DB.SetMaxIdleConns(c.size)
	if c.Pool != nil {
		c.Pool.Reset()
	}
}

func openPool(t testing.TB, c *Conns) {
	openPostgres(t, c)
	config, err := pgxpool.ParseConfig(PostgresPooler.ForPgx(c.URL))
	Check(t, err)
	config.MaxConns = int32(c.size)
	config.ConnConfig.Tracer = tracer{&c.Statements}
	c.Pool, err = pgxpool.NewWithConfig(context.Background(), config)
	Check(t, err)
}

func openMySQL(t testing.TB, c *Conns) {
	if c.URL == "" {
		c.URL = MySQLURL
	}
	dsn, err := servers.MySQLDSN(c.URL)
	Check(t, err)
	config, err := mysql.ParseDSN(dsn)
	Check(t, err)
	connector, err := mysql.NewConnector(config)
	Check(t, err)
	c.openDB(connector)
}

func openSQLite(t testing.TB, c *Conns) {
	if c.URL == "" {
		c.URL = "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	}
	plain, err := sql.Open("sqlite", "")
	Check(t, err)
	defer plain.Close()
	dsn := "file:" + c.URL[len("sqlite:"):] + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"
	c.openDB(byName{plain.Driver(), dsn})
}

// byName is a driver.Connector for drivers without one.
type byName struct {
	driver driver.Driver
	dsn    string
}

func (n byName) Connect(context.Context) (driver.Conn, error) { return n.driver.Open(n.dsn) }
func (n byName) Driver() driver.Driver                        { return n.driver }
