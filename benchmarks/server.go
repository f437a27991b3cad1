package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

const (
	local = "local" // in place of a URL: start a server of our own
	none  = "none"
)

// durable are the arguments of our own servers: whatever is committed is on the disk. Checkpoints
// are far apart, so that none of them falls into one contender's turn.
var durable = map[servers.Engine][]string{
	servers.PostgreSQL: {
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on",
		"-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=1h",
	},
	servers.MySQL: {"--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"},
}

// asked are the settings that are read back, so that nobody has to believe the above.
var asked = map[servers.Engine][]string{
	servers.PostgreSQL: {"fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size", "checkpoint_timeout"},
	servers.MySQL:      {"innodb_flush_log_at_trx_commit", "innodb_flush_method", "innodb_doublewrite", "log_bin", "sync_binlog", "innodb_buffer_pool_size", "transaction_isolation"},
}

// A server is one that contenders are measured on.
type server struct {
	engine  servers.Engine
	product string // PostgreSQL, MySQL or MariaDB
	version string
	url     string
	admin   *sql.DB
	owned   *servers.Server // nil for one that was given
}

func openServer(ctx context.Context, engine servers.Engine, address string, log io.Writer) (_ *server, err error) {
	s := &server{engine: engine, url: address}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if address == local {
		if s.owned, err = servers.StartWith(ctx, engine, log, durable[engine]...); err != nil {
			return nil, err
		}
		s.url = s.owned.URL()
	}
	if s.admin, err = (&env{server: s, url: s.url, wire: &wire{engine: engine}}).database(); err != nil {
		return nil, err
	}
	s.admin.SetMaxIdleConns(1)
	var version string
	if err = s.admin.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return nil, fmt.Errorf("benchmarks: the %s server does not answer: %w", engine, err)
	}
	switch number, _, maria := strings.Cut(version, "-MariaDB"); {
	case engine == servers.PostgreSQL:
		s.product, s.version = "PostgreSQL", strings.Fields(version)[1]
	case maria:
		s.product, s.version = "MariaDB", number
	default:
		s.product, s.version = "MySQL", version
	}
	return s, nil
}

func (s *server) close() (err error) {
	if s.admin != nil {
		err = s.admin.Close()
	}
	if s.owned != nil {
		err = errors.Join(err, s.owned.Close())
	}
	return err
}

func (s *server) title() string { return s.product + " " + s.version }

// createDatabase makes an empty database and returns its URL.
func (s *server) createDatabase(ctx context.Context, name string) (string, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return "", errors.New("benchmarks: the server's URL can't be parsed")
	}
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("benchmarks: create a database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func (s *server) dropDatabase(name string) error {
	statement := "DROP DATABASE IF EXISTS " + name
	if s.engine == servers.PostgreSQL {
		statement += " WITH (FORCE)"
	}
	_, err := s.admin.ExecContext(context.Background(), statement)
	return err
}

func (s *server) settings(ctx context.Context) (string, error) {
	var all []string
	for _, name := range asked[s.engine] {
		query := "SELECT current_setting('" + name + "')"
		if s.engine == servers.MySQL {
			query = "SELECT @@" + name
			if name == "transaction_isolation" && s.product == "MariaDB" {
				query = "SELECT @@tx_isolation"
			}
		}
		var value string
		if err := s.admin.QueryRowContext(ctx, query).Scan(&value); err != nil {
			return "", fmt.Errorf("benchmarks: read the setting %s: %w", name, err)
		}
		all = append(all, name+"="+value)
	}
	return strings.Join(all, ", "), nil
}

// journal returns how many bytes the server has written to its WAL or redo log so far.
func (s *server) journal(ctx context.Context) (n int64, err error) {
	query, dest := "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint", []any{&n}
	if s.engine == servers.MySQL {
		query, dest = "SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'", []any{new(string), &n}
	}
	err = s.admin.QueryRowContext(ctx, query).Scan(dest...)
	return n, err
}

// size returns how many bytes the database takes.
func (s *server) size(ctx context.Context, database string) (n int64, err error) {
	if s.engine == servers.PostgreSQL {
		err = s.admin.QueryRowContext(ctx, "SELECT pg_database_size($1)", database).Scan(&n)
		return n, err
	}
	if _, err := s.admin.ExecContext(ctx, "ANALYZE TABLE "+database+".sessions"); err != nil {
		return 0, err
	}
	err = s.admin.QueryRowContext(ctx, `SELECT SUM(data_length + index_length) FROM information_schema.tables
		WHERE table_schema = ? AND table_name = 'sessions'`, database).Scan(&n)
	return n, err
}

// compact writes a database's tables anew, without the room that rows left which are gone.
func (s *server) compact(ctx context.Context, database, address string) (err error) {
	if s.engine == servers.MySQL {
		_, err = s.admin.ExecContext(ctx, "ALTER TABLE "+database+".sessions ENGINE=InnoDB")
		return err
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT quote_ident(relname) FROM pg_stat_user_tables")
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "VACUUM (FULL, ANALYZE) "+strings.Join(tables, ", "))
	return err
}

// mysqlConfig turns a URL into the driver's configuration.
func mysqlConfig(address string) (*mysql.Config, error) {
	dsn, err := servers.MySQLDSN(address)
	if err != nil {
		return nil, err
	}
	return mysql.ParseDSN(dsn)
}

func openPgx(config *pgx.ConnConfig) *sql.DB { return stdlib.OpenDB(*config) }
