package bench

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

// Connections is how many each pool has.
const Connections = 16

// A Dial opens the network connections of a pool, nil in the usual way.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// An Option changes how MySQL's driver works.
type Option func(*mysql.Config)

// A Database is a new one on the server.
type Database struct {
	*Server

	URL    string
	DB     *sql.DB // for what is not measured
	Dial   Dial    // of pools that are opened from now on
	closes []func() error
}

// Database creates an empty database.
func (s *Server) Database(ctx context.Context) (*Database, error) {
	address, drop, err := s.CreateDatabase(ctx)
	if err != nil {
		return nil, err
	}
	d := &Database{Server: s, URL: address}
	d.AtEnd(func() error { return drop(context.WithoutCancel(ctx)) })
	if d.DB, err = s.connect(address, nil); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.AtEnd(d.DB.Close)
	return d, nil
}

// AtEnd has Close call f, before what was there earlier is closed.
func (d *Database) AtEnd(f func() error) { d.closes = append(d.closes, f) }

// Close closes the pools and drops the database.
func (d *Database) Close() (err error) {
	for _, f := range slices.Backward(d.closes) {
		err = errors.Join(err, f())
	}
	d.closes = nil
	return err
}

// Migrate creates this library's table.
func (d *Database) Migrate(ctx context.Context) error {
	dialect := migrations.PostgreSQL
	if !d.Postgres() {
		dialect = migrations.MySQL
	}
	m, err := migrator.New(d.DB, dialect, migrator.Options{})
	if err == nil {
		_, err = m.Up(ctx)
	}
	return err
}

// Pool opens a pool of pgx's own.
func (d *Database) Pool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(d.URL)
	if err != nil {
		return nil, errPostgresURL
	}
	config.MaxConns, config.MinConns = Connections, Connections
	if d.Dial != nil {
		config.ConnConfig.DialFunc = pgconn.DialFunc(d.Dial)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err == nil {
		d.AtEnd(func() error { pool.Close(); return nil })
	}
	return pool, err
}

// SQL opens a pool of database/sql.
func (d *Database) SQL(options ...Option) (*sql.DB, error) {
	db, err := d.connect(d.URL, d.Dial, options...)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(Connections)
	db.SetMaxIdleConns(Connections)
	d.AtEnd(db.Close)
	return db, nil
}

// Store opens this library's store on the migrated table.
func (d *Database) Store(ctx context.Context, oneByOne bool) (driver.Store, error) {
	if d.Postgres() {
		pool, err := d.Pool(ctx)
		if err != nil {
			return nil, err
		}
		return pgstore.NewPool(pool).With(pgstore.Options{OneByOne: oneByOne})
	}
	db, err := d.SQL()
	if err != nil {
		return nil, err
	}
	return mysqlstore.New(db).With(mysqlstore.Options{OneByOne: oneByOne})
}

// Size returns the bytes of the tables whose names are like name, with their indexes.
func (d *Database) Size(ctx context.Context, name string) (n int64, err error) {
	if d.Postgres() {
		err = d.DB.QueryRowContext(ctx, "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables WHERE relname LIKE $1", name).Scan(&n)
		return n, err
	}
	if _, err := d.DB.ExecContext(ctx, "ANALYZE TABLE "+name); err != nil {
		return 0, err
	}
	err = d.DB.QueryRowContext(ctx, `SELECT data_length + index_length FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name = ?`, name).Scan(&n)
	return n, err
}

// Journal returns how many bytes the server has written to its WAL or redo log so far.
func (d *Database) Journal(ctx context.Context) (n int64, err error) {
	if d.Postgres() {
		err = d.DB.QueryRowContext(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").Scan(&n)
		return n, err
	}
	err = d.DB.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'").Scan(new(string), &n)
	return n, err
}

var errPostgresURL = errors.New("bench: the driver does not accept the PostgreSQL URL")

func connectPostgres(address string, dial Dial) (*sql.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errPostgresURL
	}
	if dial != nil {
		config.DialFunc = pgconn.DialFunc(dial)
	}
	return stdlib.OpenDB(*config), nil
}

func connectMySQL(address string, dial Dial, options ...Option) (*sql.DB, error) {
	dsn, err := servers.MySQLDSN(address)
	if err != nil {
		return nil, err
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	config.DialFunc = dial
	for _, o := range options {
		o(config)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
