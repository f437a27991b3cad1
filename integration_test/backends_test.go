package integration_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// A backend is one way to reach one kind of database.
type backend struct {
	name    string
	dialect migrations.Dialect
	open    func(t testing.TB, c *conns)
}

// conns is an open pool, with what a test looks at beside it.
type conns struct {
	backend
	url        string // "" is the shared server's
	db         *sql.DB
	size       int           // of each pool
	pool       *pgxpool.Pool // for the backend that goes through one
	statements atomic.Int64  // sent through the pool so far
}

const poolSize = 20

var backends = []backend{
	{"pgxpool", migrations.PostgreSQL, openPool},
	{"postgres", migrations.PostgreSQL, openPostgres},
	{"mysql", migrations.MySQL, openMySQL},
	{"sqlite", migrations.SQLite, openSQLite},
	{"libpq", migrations.PostgreSQL, openLibPQ},
}

// each runs a test on every backend.
func each(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}

// eachServer is each without SQLite, which has nothing to compare.
func eachServer(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	for _, b := range backends {
		if b.dialect != migrations.SQLite {
			t.Run(b.name, func(t *testing.T) { test(t, b) })
		}
	}
}

// eachPostgres is each for what PostgreSQL alone has.
func eachPostgres(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	for _, b := range backends {
		if b.dialect == migrations.PostgreSQL {
			t.Run(b.name, func(t *testing.T) { test(t, b) })
		}
	}
}

func (b backend) connect(t testing.TB) *conns { return b.connectTo(t, "") }

func (b backend) connectTo(t testing.TB, url string) *conns {
	t.Helper()
	return b.connectSized(t, url, poolSize)
}

func (b backend) connectSized(t testing.TB, url string, size int) *conns {
	t.Helper()
	c := &conns{backend: b, url: url, size: size}
	b.open(t, c)
	t.Cleanup(c.close)
	return c
}

func (c *conns) close() {
	_ = c.db.Close()
	if c.pool != nil {
		c.pool.Close()
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openPostgres(t testing.TB, c *conns) {
	if c.url == "" {
		c.url = postgresURL
	}
	config, err := pgx.ParseConfig(postgresPooler.forPgx(c.url))
	check(t, err)
	c.openDB(stdlib.GetConnector(*config))
}

func openLibPQ(t testing.TB, c *conns) {
	if c.url == "" {
		c.url = postgresURL
	}
	connector, err := pq.NewConnector(postgresPooler.forLibPQ(c.url))
	check(t, err)
	c.openDB(connector)
}

// openDB opens a pool of database/sql that counts.
func (c *conns) openDB(connector driver.Connector) {
	c.db = sql.OpenDB(counting{connector, &c.statements})
	c.db.SetMaxOpenConns(c.size)
	c.db.SetMaxIdleConns(c.size)
}

func openPool(t testing.TB, c *conns) {
	openPostgres(t, c)
	config, err := pgxpool.ParseConfig(postgresPooler.forPgx(c.url))
	check(t, err)
	config.MaxConns = int32(c.size)
	config.ConnConfig.Tracer = tracer{&c.statements}
	c.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	check(t, err)
}

func openMySQL(t testing.TB, c *conns) {
	if c.url == "" {
		c.url = mysqlURL
	}
	dsn, err := servers.MySQLDSN(c.url)
	check(t, err)
	config, err := mysql.ParseDSN(dsn)
	check(t, err)
	connector, err := mysql.NewConnector(config)
	check(t, err)
	c.openDB(connector)
}

func openSQLite(t testing.TB, c *conns) {
	if c.url == "" {
		c.url = "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	}
	plain, err := sql.Open("sqlite", "")
	check(t, err)
	defer plain.Close()
	dsn := "file:" + c.url[len("sqlite:"):] + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"
	c.openDB(byName{plain.Driver(), dsn})
}

// byName is a driver.Connector for a driver that has none.
type byName struct {
	driver driver.Driver
	dsn    string
}

func (n byName) Connect(context.Context) (driver.Conn, error) { return n.driver.Open(n.dsn) }
func (n byName) Driver() driver.Driver                        { return n.driver }

// A table is a migrated table of a test's own, with the store on it.
type table struct {
	*conns
	name  string
	store sessions.Store
}

func (b backend) newTable(t testing.TB) *table {
	t.Helper()
	return b.connect(t).newTable(t)
}

func (c *conns) newTable(t testing.TB) *table {
	t.Helper()
	var random [6]byte
	_, _ = rand.Read(random[:])
	tab := &table{conns: c, name: "t_" + hex.EncodeToString(random[:])}
	m, err := migrator.New(c.db, c.dialect, migrator.Options{Table: tab.name})
	check(t, err)
	_, err = m.Up(t.Context())
	check(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, name := range []string{tab.name, tab.name + "_schema_migrations"} {
			_, _ = c.db.ExecContext(ctx, "DROP TABLE "+name)
		}
	})
	tab.store = c.openStore(t, tab.name)
	return tab
}

// oneByOne has stores send each call by itself.
var oneByOne bool

// openStore returns the store of the backend on a table.
func (c *conns) openStore(t testing.TB, name string) (s sessions.Store) {
	t.Helper()
	var err error
	switch {
	case c.pool != nil:
		s, err = pgstore.NewPool(c.pool).With(pgstore.Options{Table: name, OneByOne: oneByOne})
	case c.dialect == migrations.PostgreSQL:
		s, err = pgstore.New(c.db).With(pgstore.Options{Table: name, OneByOne: oneByOne})
	case c.dialect == migrations.MySQL:
		s, err = mysqlstore.New(c.db).With(mysqlstore.Options{Table: name, OneByOne: oneByOne})
	default:
		s, err = sqlitestore.New(c.db).With(sqlitestore.Options{Table: name})
	}
	check(t, err)
	return s
}

// age makes all rows older, as if d had passed.
func (tab *table) age(t testing.TB, d time.Duration) {
	t.Helper()
	back := map[migrations.Dialect]string{
		migrations.PostgreSQL: "%[1]s = %[1]s - interval '%[2]d milliseconds'",
		migrations.MySQL:      "%[1]s = %[1]s - INTERVAL %[2]d * 1000 MICROSECOND",
		migrations.SQLite:     "%[1]s = %[1]s - %[2]d",
	}[tab.dialect]
	set := ""
	for i, column := range []string{"created_at", "absolute_expires_at", "expires_at", "reap_after", "authenticated_at"} {
		if i > 0 {
			set += ", "
		}
		set += fmt.Sprintf(back, column, d.Milliseconds())
	}
	_, err := tab.db.ExecContext(t.Context(), "UPDATE "+tab.name+" SET "+set)
	check(t, err)
}

// rows counts all rows, dead ones too.
func (tab *table) rows(t testing.TB) (n int) {
	t.Helper()
	check(t, tab.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.name).Scan(&n))
	return n
}
