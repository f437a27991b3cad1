package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// A database is where the sessions are. Only this file knows which kind it is.
type database struct {
	pool   *sql.DB
	store  sessions.Store
	name   string // product and version, to show
	place  string // where it is, without the password
	folder string // where to keep the secret
}

// openDatabase connects, and brings the schema up to date.
func openDatabase(ctx context.Context, databaseURL string) (*database, error) {
	scheme, rest, _ := strings.Cut(databaseURL, ":")
	var db *database
	var dialect migrations.Dialect
	var version string // the query that asks for it
	var err error
	switch scheme {
	case "sqlite":
		dialect, version = migrations.SQLite, "SELECT 'SQLite ' || sqlite_version()"
		db, err = openSQLite(strings.TrimPrefix(rest, "//"))
	case "postgres", "postgresql":
		dialect, version = migrations.PostgreSQL, "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)"
		db, err = openPostgres(databaseURL)
	case "mysql":
		dialect, version = migrations.MySQL, "SELECT CONCAT(IF(VERSION() LIKE '%MariaDB%', 'MariaDB ', 'MySQL '), SUBSTRING_INDEX(VERSION(), '-', 1))"
		db, err = openMySQL(databaseURL)
	default:
		err = errors.New("use a URL such as postgres://HOST/NAME, mysql://HOST/NAME or sqlite:PATH")
	}
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := db.prepare(ctx, dialect, version); err != nil {
		return nil, fmt.Errorf("database %s: %w", db.place, errors.Join(err, db.pool.Close()))
	}
	return db, nil
}

// prepare runs the migrations that are missing. A real deployment may rather
// run `sessions migrate up` before it starts the new version of a program.
func (db *database) prepare(ctx context.Context, dialect migrations.Dialect, version string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	m, err := migrator.New(db.pool, dialect, migrator.Options{})
	if err != nil {
		return err
	}
	if _, err := m.Up(ctx); err != nil {
		return err
	}
	return db.pool.QueryRowContext(ctx, version).Scan(&db.name)
}

func openSQLite(path string) (*database, error) {
	if path == "" {
		return nil, errors.New("sqlite: needs the path of a file, such as " + defaultDatabase)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// Everybody could read a file that SQLite makes. Its logs take the mode of this one.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, err
	}
	// With WAL readers do not wait for a writer, and with a busy timeout writers
	// wait for each other instead of failing.
	name := url.URL{Path: filepath.ToSlash(path)} // a path may hold ? and %
	pool, err := sql.Open("sqlite", "file:"+name.EscapedPath()+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(500)")
	if err != nil {
		return nil, err
	}
	return &database{pool: pool, store: sqlitestore.New(pool), place: path, folder: filepath.Dir(path)}, nil
}

func openPostgres(databaseURL string) (*database, error) {
	c, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	pool := stdlib.OpenDB(*c)
	limit(pool)
	place := fmt.Sprintf("%s, database %s", c.Host, c.Database)
	return &database{pool: pool, store: pgstore.New(pool), place: place, folder: "."}, nil
}

// openMySQL turns the URL into what the driver takes, which is no URL.
func openMySQL(databaseURL string) (*database, error) {
	u, err := url.Parse(databaseURL)
	if err != nil { // not shown: it quotes the URL, password and all
		return nil, errors.New("mysql: the URL can't be read; write special characters in the password as %XX")
	}
	addr := net.JoinHostPort(cmp.Or(u.Hostname(), "127.0.0.1"), cmp.Or(u.Port(), "3306"))
	c, err := mysql.ParseDSN("tcp(" + addr + ")" + cmp.Or(u.EscapedPath(), "/") + "?" + u.RawQuery)
	if err != nil {
		return nil, err
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	limit(pool)
	place := fmt.Sprintf("%s, database %s", c.Addr, c.DBName)
	return &database{pool: pool, store: mysqlstore.New(pool), place: place, folder: "."}, nil
}

// limit keeps a rush of visitors from using up the server's connections, and
// lets go of connections before a proxy or the server does.
func limit(pool *sql.DB) {
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(20)
	pool.SetConnMaxLifetime(5 * time.Minute)
}
