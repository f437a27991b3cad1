package main

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// connections is how many each contender's pool has.
const connections = 16

// An env is what one contender gets: a database of its own, in which its table is.
type env struct {
	server *server // nil in a process that serves over HTTP
	url    string
	wire   *wire
	closes []func() error
}

func (e *env) atEnd(f func() error) { e.closes = append(e.closes, f) }

func (e *env) close() (err error) {
	for _, f := range slices.Backward(e.closes) {
		err = errors.Join(err, f())
	}
	e.closes = nil
	return err
}

// pool opens a pool of pgx's own.
func (e *env) pool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(e.url)
	if err != nil {
		return nil, errors.New("benchmarks: the PostgreSQL URL is not one that the driver takes")
	}
	config.MaxConns, config.MinConns = connections, connections
	config.ConnConfig.DialFunc = e.wire.dial
	p, err := pgxpool.NewWithConfig(ctx, config)
	if err == nil {
		e.atEnd(func() error { p.Close(); return nil })
	}
	return p, err
}

// database opens a pool of database/sql.
func (e *env) database(options ...func(*mysql.Config)) (*sql.DB, error) {
	var db *sql.DB
	if e.wire.engine == servers.PostgreSQL {
		config, err := pgx.ParseConfig(e.url)
		if err != nil {
			return nil, errors.New("benchmarks: the PostgreSQL URL is not one that the driver takes")
		}
		config.DialFunc = e.wire.dial
		db = openPgx(config)
	} else {
		config, err := mysqlConfig(e.url)
		if err != nil {
			return nil, err
		}
		config.DialFunc = e.wire.dial
		for _, o := range options {
			o(config)
		}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		db = sql.OpenDB(connector)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	e.atEnd(db.Close)
	return db, nil
}

// migrate makes our table, which the hand-written statements use too.
func (e *env) migrate(ctx context.Context) error {
	db, err := e.database()
	if err != nil {
		return err
	}
	dialect := migrations.PostgreSQL
	if e.wire.engine == servers.MySQL {
		dialect = migrations.MySQL
	}
	m, err := migrator.New(db, dialect, migrator.Options{})
	if err != nil {
		return err
	}
	_, err = m.Up(ctx)
	return errors.Join(err, db.Close())
}
