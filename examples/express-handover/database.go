package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

// nativeTable is not "sessions": that is Express's on MySQL.
const nativeTable = "go_sessions"

// A database has Express's table and, at the end, ours. Only this file knows which kind it is.
type database struct {
	pool    *sql.DB
	dialect migrations.Dialect
	// rows selects what is stored, the newest first: the table and the JSON.
	rows string
}

func openDatabase(ctx context.Context, databaseURL string) (*database, error) {
	u, err := url.Parse(databaseURL)
	if err != nil { // not shown: it quotes the URL, password and all
		return nil, errors.New("the database URL can't be read; write special characters in the password as %XX")
	}
	d := &database{}
	switch u.Scheme {
	case "postgres", "postgresql":
		d.dialect = migrations.PostgreSQL
		d.rows = `SELECT 'session', sess::text FROM session WHERE expire > localtimestamp AND sid NOT LIKE 'taken-over-%' ORDER BY expire DESC LIMIT 3`
		d.pool, err = sql.Open("pgx", databaseURL)
	case "mysql":
		d.dialect = migrations.MySQL
		d.rows = `SELECT 'sessions', data FROM sessions WHERE expires > UNIX_TIMESTAMP() AND session_id NOT LIKE 'taken-over-%' ORDER BY expires DESC LIMIT 3`
		d.pool, err = openMySQL(u)
	default:
		err = errors.New("give the URL of a database that Express and Go can share, with --database-url or in DATABASE_URL: postgres://USER:PASSWORD@HOST/NAME or mysql://USER:PASSWORD@HOST/NAME")
	}
	if err != nil {
		return nil, err
	}
	if err := d.pool.PingContext(ctx); err != nil {
		return nil, errors.Join(err, d.pool.Close())
	}
	return d, nil
}

func openMySQL(u *url.URL) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "3306"))
	c.User, c.DBName = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	c.Passwd, _ = u.User.Password()
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// shared opens the table that the Express application has created.
func (d *database) shared(ctx context.Context) (sessions.Store, error) {
	if d.dialect == migrations.MySQL {
		return mysqlsession.Open(ctx, d.pool, mysqlsession.Options{})
	}
	return pgsimple.Open(ctx, d.pool, pgsimple.Options{})
}

// native creates and opens the table of this library.
func (d *database) native(ctx context.Context) (sessions.Store, error) {
	m, err := migrator.New(d.pool, d.dialect, migrator.Options{Table: nativeTable})
	if err != nil {
		return nil, err
	}
	if _, err := m.Up(ctx); err != nil {
		return nil, err
	}
	if d.dialect == migrations.MySQL {
		return mysqlstore.New(d.pool).With(mysqlstore.Options{Table: nativeTable})
	}
	return pgstore.New(d.pool).With(pgstore.Options{Table: nativeTable})
}

// A row is what the page shows of a stored session. The id, and so the cookie, stays secret.
type row struct {
	Table string `json:"table"`
	Data  string `json:"data"`
}

func (d *database) stored(ctx context.Context, native bool) (all []row, err error) {
	queries := []string{d.rows}
	if native {
		queries = append(queries, "SELECT '"+nativeTable+"', data FROM "+nativeTable+" ORDER BY created_at DESC LIMIT 3")
	}
	for _, query := range queries {
		if all, err = d.read(ctx, query, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (d *database) read(ctx context.Context, query string, all []row) ([]row, error) {
	found, err := d.pool.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var r row
		if err := found.Scan(&r.Table, &r.Data); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, found.Err()
}
