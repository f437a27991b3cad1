package servers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// CreateDatabase makes a fresh empty database on the server and returns its
// URL, with the same credentials as [Server.URL], and a function that drops it.
// drop does not wait for the database's clients to go; a second call of it does
// nothing. Both fail while the server is stopped. Safe for concurrent use.
func (s *Server) CreateDatabase(ctx context.Context) (address string, drop func(context.Context) error, err error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return "", nil, errors.New("servers: the server's URL can't be parsed")
	}
	// Hex digits only, so the name needs no quoting.
	name := "sessions_test_" + randomHex(8)
	// template0, because template1 can't be copied while a client is connected to it.
	create, remove := "CREATE DATABASE "+name+" TEMPLATE template0", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"
	if s.engine == MySQL {
		create, remove = "CREATE DATABASE "+name+" CHARACTER SET utf8mb4", "DROP DATABASE IF EXISTS "+name
	}
	if err := s.exec(ctx, create); err != nil {
		return "", nil, fmt.Errorf("servers: create a database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error {
		if err := s.exec(ctx, remove); err != nil {
			return fmt.Errorf("servers: drop database %s: %w", name, err)
		}
		return nil
	}, nil
}

func (s *Server) exec(ctx context.Context, statement string) error {
	db, err := open(s.engine, s.url)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}

func open(engine Engine, address string) (*sql.DB, error) {
	if engine == PostgreSQL {
		cfg, err := pgx.ParseConfig(address)
		if err != nil {
			return nil, err
		}
		// A pooler in front of the server may not keep prepared statements apart.
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		return stdlib.OpenDB(*cfg), nil
	}
	dsn, err := MySQLDSN(address)
	if err != nil {
		return nil, err
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	// While a server comes up the driver would log each connection it lost.
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func queryVersion(ctx context.Context, engine Engine, address string) (version string, err error) {
	db, err := open(engine, address)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", err
	}
	if engine == PostgreSQL {
		return version, nil
	}
	if number, _, isMariaDB := strings.Cut(version, "-MariaDB"); isMariaDB {
		return "MariaDB " + number, nil
	}
	return "MySQL " + version, nil
}

// waitReady waits until the server answers a query, it ended, or ctx did.
func waitReady(ctx context.Context, engine Engine, address string, alive func() error) (version string, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		version, err = queryVersion(attempt, engine, address)
		cancel()
		if err == nil {
			return version, nil
		}
		if gone := alive(); gone != nil {
			return "", gone
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no answer to a query: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return fmt.Sprintf("%x", b)
}
