package testbed

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
type Backend struct {
	Name    string
	Dialect migrations.Dialect
	Open    func(t testing.TB, c *Conns)
}

// Conns is an open pool, with what a test looks at beside it.
type Conns struct {
	Backend
	URL        string // "" is the shared server's
	DB         *sql.DB
	size       int           // of each pool
	Pool       *pgxpool.Pool // for the backend that goes through one
	Statements atomic.Int64  // sent through the pool so far
}

const poolSize = 20

var Backends = []Backend{
	{"pgxpool", migrations.PostgreSQL, openPool},
	{"postgres", migrations.PostgreSQL, openPostgres},
	{"mysql", migrations.MySQL, openMySQL},
	{"sqlite", migrations.SQLite, openSQLite},
	{"libpq", migrations.PostgreSQL, openLibPQ},
}

// Each runs a test on every backend.
func Each(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	for _, b := range Backends {
		t.Run(b.Name, func(t *testing.T) { test(t, b) })
	}
}

// EachServer is each without SQLite, which has nothing to compare.
func EachServer(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	for _, b := range Backends {
		if b.Dialect != migrations.SQLite {
			t.Run(b.Name, func(t *testing.T) { test(t, b) })
		}
	}
}

// EachPostgres is each for what PostgreSQL alone has.
func EachPostgres(t *testing.T, test func(t *testing.T, b Backend)) {
	t.Helper()
	for _, b := range Backends {
		if b.Dialect == migrations.PostgreSQL {
			t.Run(b.Name, func(t *testing.T) { test(t, b) })
		}
	}
}

func (b Backend) Connect(t testing.TB) *Conns { return b.ConnectTo(t, "") }

func (b Backend) ConnectTo(t testing.TB, url string) *Conns {
	t.Helper()
	return b.ConnectSized(t, url, poolSize)
}

func (b Backend) ConnectSized(t testing.TB, url string, size int) *Conns {
	t.Helper()
	c := &Conns{Backend: b, URL: url, size: size}
	b.Open(t, c)
	t.Cleanup(c.Close)
	return c
}

func (c *Conns) Close() {
	_ = c.DB.Close()
	if c.Pool != nil {
		c.Pool.Close()
	}
}

func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openPostgres(t testing.TB, c *Conns) {
	if c.URL == "" {
		c.URL = PostgresURL
	}
	config, err := pgx.ParseConfig(PostgresPooler.ForPgx(c.URL))
	Check(t, err)
	c.openDB(stdlib.GetConnector(*config))
}

func openLibPQ(t testing.TB, c *Conns) {
	if c.URL == "" {
		c.URL = PostgresURL
	}
	connector, err := pq.NewConnector(PostgresPooler.forLibPQ(c.URL))
	Check(t, err)
	c.openDB(connector)
}

// openDB opens a pool of database/sql that counts.
func (c *Conns) openDB(connector driver.Connector) {
	c.DB = sql.OpenDB(counting{connector, &c.Statements})
	c.DB.SetMaxOpenConns(c.size)
	c.DB.SetMaxIdleConns(c.size)
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

// byName is a driver.Connector for a driver that has none.
type byName struct {
	driver driver.Driver
	dsn    string
}

func (n byName) Connect(context.Context) (driver.Conn, error) { return n.driver.Open(n.dsn) }
func (n byName) Driver() driver.Driver                        { return n.driver }

// A table is a migrated table of a test's own, with the store on it.
type Table struct {
	*Conns
	Name  string
	Store sessions.Store
}

func (b Backend) NewTable(t testing.TB) *Table {
	t.Helper()
	return b.Connect(t).NewTable(t)
}

func (c *Conns) NewTable(t testing.TB) *Table {
	t.Helper()
	tab := c.named()
	m, err := migrator.New(c.DB, c.Dialect, migrator.Options{Table: tab.Name})
	Check(t, err)
	_, err = m.Up(t.Context())
	Check(t, err)
	tab.dropped(t, tab.Name, tab.Name+"_schema_migrations")
	tab.Store = c.OpenStore(t, tab.Name)
	return tab
}

// named is a table that is not there yet, and no other test's.
func (c *Conns) named() *Table {
	var random [6]byte
	_, _ = rand.Read(random[:])
	return &Table{Conns: c, Name: "t_" + hex.EncodeToString(random[:])}
}

// another makes an empty table like tab. On a server this is one statement, and a migration is twenty.
func (tab *Table) another(t testing.TB) *Table {
	t.Helper()
	like := map[migrations.Dialect]string{
		migrations.PostgreSQL: "CREATE TABLE %s (LIKE %s INCLUDING ALL)",
		migrations.MySQL:      "CREATE TABLE %s LIKE %s",
	}[tab.Dialect]
	if like == "" {
		return tab.NewTable(t)
	}
	other := tab.named()
	_, err := tab.DB.ExecContext(t.Context(), fmt.Sprintf(like, other.Name, tab.Name))
	Check(t, err)
	other.dropped(t, other.Name)
	other.Store = tab.OpenStore(t, other.Name)
	return other
}

// dropped drops tables at the end of the test.
func (c *Conns) dropped(t testing.TB, names ...string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, name := range names {
			_, _ = c.DB.ExecContext(ctx, "DROP TABLE "+name)
		}
	})
}

// OneByOne has stores send each call by itself.
var OneByOne bool

// OpenStore returns the store of the backend on a table.
func (c *Conns) OpenStore(t testing.TB, name string) (s sessions.Store) {
	t.Helper()
	var err error
	switch {
	case c.Pool != nil:
		s, err = pgstore.NewPool(c.Pool).With(pgstore.Options{Table: name, OneByOne: OneByOne})
	case c.Dialect == migrations.PostgreSQL:
		s, err = pgstore.New(c.DB).With(pgstore.Options{Table: name, OneByOne: OneByOne})
	case c.Dialect == migrations.MySQL:
		s, err = mysqlstore.New(c.DB).With(mysqlstore.Options{Table: name, OneByOne: OneByOne})
	default:
		s, err = sqlitestore.New(c.DB).With(sqlitestore.Options{Table: name})
	}
	Check(t, err)
	return s
}

// Age makes all rows older, as if d had passed.
func (tab *Table) Age(t testing.TB, d time.Duration) {
	t.Helper()
	back := map[migrations.Dialect]string{
		migrations.PostgreSQL: "%[1]s = %[1]s - interval '%[2]d milliseconds'",
		migrations.MySQL:      "%[1]s = %[1]s - INTERVAL %[2]d * 1000 MICROSECOND",
		migrations.SQLite:     "%[1]s = %[1]s - %[2]d",
	}[tab.Dialect]
	set := ""
	for i, column := range []string{"created_at", "absolute_expires_at", "expires_at", "reap_after", "authenticated_at"} {
		if i > 0 {
			set += ", "
		}
		set += fmt.Sprintf(back, column, d.Milliseconds())
	}
	_, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET "+set)
	Check(t, err)
}

// Rows counts all rows, dead ones too.
func (tab *Table) Rows(t testing.TB) (n int) {
	t.Helper()
	Check(t, tab.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+tab.Name).Scan(&n))
	return n
}
