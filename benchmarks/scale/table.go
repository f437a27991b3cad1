package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

// connections is how many each table's store has, and callers how many use it.
const connections, callers = 16, 16

// A table is the migrated table in a database of its own, with stores on it.
type table struct {
	*bench
	database string
	db       *sql.DB
	store    driver.Store // as it comes
	alone    driver.Store // with Options.OneByOne
	closes   []func() error
}

func openDB(engine servers.Engine, address string) (*sql.DB, error) {
	if engine == servers.PostgreSQL {
		config, err := pgx.ParseConfig(address)
		if err != nil {
			return nil, errors.New("scale: the PostgreSQL URL is not one that the driver takes")
		}
		return stdlib.OpenDB(*config), nil
	}
	dsn, err := servers.MySQLDSN(address)
	if err != nil {
		return nil, err
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// table makes a database with an empty table. parameter, NAME=VALUE or "", goes into the stores' URL.
func (b *bench) table(ctx context.Context, parameter string) (t *table, err error) {
	t = &table{bench: b, database: "scale_" + strconv.FormatUint(rand.Uint64(), 36)}
	u, err := url.Parse(b.url)
	if err != nil {
		return nil, errors.New("scale: the server's URL can't be parsed")
	}
	if _, err := b.admin.ExecContext(ctx, "CREATE DATABASE "+t.database); err != nil {
		return nil, fmt.Errorf("scale: create a database: %w", err)
	}
	t.closes = append(t.closes, func() error {
		_, err := b.admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+t.database+b.pick(" WITH (FORCE)", ""))
		return err
	})
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	u.Path = "/" + t.database
	if t.db, err = openDB(b.engine, u.String()); err != nil {
		return nil, err
	}
	t.closes = append(t.closes, t.db.Close)
	dialect := migrations.MySQL
	if b.engine == servers.PostgreSQL {
		dialect = migrations.PostgreSQL
	}
	m, err := migrator.New(t.db, dialect, migrator.Options{})
	if err != nil {
		return nil, err
	}
	if _, err := m.Up(ctx); err != nil {
		return nil, err
	}
	query := u.Query()
	if name, value, ok := strings.Cut(parameter, "="); ok {
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
	return t, t.open(ctx, u.String())
}

// open makes the stores.
func (t *table) open(ctx context.Context, address string) error {
	if t.engine == servers.PostgreSQL {
		config, err := pgxpool.ParseConfig(address)
		if err != nil {
			return errors.New("scale: the PostgreSQL URL is not one that the driver takes")
		}
		config.MaxConns, config.MinConns = connections, connections
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return err
		}
		t.closes = append(t.closes, func() error { pool.Close(); return nil })
		t.store = pgstore.NewPool(pool)
		t.alone, err = pgstore.NewPool(pool).With(pgstore.Options{OneByOne: true})
		return err
	}
	db, err := openDB(t.engine, address)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	t.closes = append(t.closes, db.Close)
	t.store = mysqlstore.New(db)
	t.alone, err = mysqlstore.New(db).With(mysqlstore.Options{OneByOne: true})
	return err
}

func (t *table) close() (err error) {
	for _, f := range slices.Backward(t.closes) {
		err = errors.Join(err, f())
	}
	t.closes = nil
	return err
}

func (t *table) exec(ctx context.Context, query string) (int64, error) {
	result, err := t.db.ExecContext(ctx, query)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *table) int(ctx context.Context, query string) (n int64, err error) {
	err = t.db.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// born is the first part of the IDs of a kind of rows: the dead were made before the others.
func born(kind string) string {
	if kind == "dead" {
		return "0190"
	}
	return "0198"
}

// ref refers to the row i that fill made, which both servers can compute. As in real traffic, the
// IDs are of version 7, and grow from row to row.
func ref(kind string, i int) driver.Ref {
	sum := sha256.Sum256([]byte(kind + strconv.Itoa(i)))
	digits := hex.AppendEncode(nil, sum[:uuid.Size])
	copy(digits, fmt.Appendf(nil, "%s%08x7", born(kind), i))
	digits[16] = '8'
	var id [uuid.Size]byte
	_, _ = hex.Decode(id[:], digits) // digits they are
	return driver.Ref{ID: driver.ID(uuid.Format(id)), Verifier: driver.Verifier(sum[:])}
}

// chunk is how many rows one statement of fill inserts.
const chunk = 100_000

// fill inserts n rows with IDs and verifiers by ref, all of them live for a day or dead for
// hours. All of it happens in the server.
func (t *table) fill(ctx context.Context, kind string, n int, dead bool) error {
	times := t.pick(`now() - interval '1 day', now() + interval '29 days', now() + interval '24 hours',
		date_bin('2 hours', now(), '2000-01-01 00:00:00Z') + interval '26 hours'`,
		`UTC_TIMESTAMP(6) - INTERVAL 1 DAY, UTC_TIMESTAMP(6) + INTERVAL 29 DAY, UTC_TIMESTAMP(6) + INTERVAL 24 HOUR,
		DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:00:00') + INTERVAL 25 HOUR`)
	if dead {
		// Rows end in about the order in which they were made, up to three hours apart. With scattered
		// each is on another page than the one that ends next.
		ended := fmt.Sprintf(t.pick("((i::bigint * 48 / %d + i::bigint * 7919 %% 3) %% 48)", "((i * 48 DIV %d + i * 7919 %% 3) %% 48)"), n)
		if t.scattered {
			ended = "(i % 48)"
		}
		times = fmt.Sprintf(t.pick(`now() - interval '9 days', now() + interval '20 days', now() - (2 + %[1]s) * interval '1 hour',
			date_trunc('hour', now()) - (1 + %[1]s) * interval '1 hour'`,
			`UTC_TIMESTAMP(6) - INTERVAL 9 DAY, UTC_TIMESTAMP(6) + INTERVAL 20 DAY, UTC_TIMESTAMP(6) - INTERVAL (2 + %[1]s) HOUR,
			DATE_FORMAT(UTC_TIMESTAMP(), '%%Y-%%m-%%d %%H:00:00') - INTERVAL (1 + %[1]s) HOUR`), ended)
	}
	for from := 0; from < n; from += chunk {
		if _, err := t.exec(ctx, fmt.Sprintf(t.pick(
			`INSERT INTO sessions (id, verifier, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after)
				SELECT overlay(overlay(left(encode(sha256(('%[1]s' || i)::bytea), 'hex'), 32) PLACING '%[5]s' || lpad(to_hex(i), 8, '0') || '7' FROM 1) PLACING '8' FROM 17)::uuid,
				sha256(('%[1]s' || i)::bytea), CASE i %% 2 WHEN 0 THEN 'user' || i END, `+document+`, 1, %[2]s
				FROM generate_series(%[3]d, %[4]d) AS i`,
			`INSERT INTO sessions (id, verifier, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after)
				WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 999)
				SELECT UNHEX(INSERT(INSERT(LEFT(SHA2(CONCAT('%[1]s', i), 256), 32), 1, 13, CONCAT('%[5]s', LPAD(HEX(i), 8, '0'), '7')), 17, 1, '8')),
				UNHEX(SHA2(CONCAT('%[1]s', i), 256)), CASE i %% 2 WHEN 0 THEN CONCAT('user', i) END, `+documentMySQL+`, 1, %[2]s
				FROM (SELECT %[3]d + a.i * 1000 + b.i AS i FROM d AS a JOIN d AS b WHERE a.i < 100) AS n WHERE i <= %[4]d ORDER BY i`),
			kind, times, from, min(from+chunk, n)-1, born(kind))); err != nil {
			return fmt.Errorf("fill the table: %w", err)
		}
		if done := from + chunk; done%1_000_000 == 0 {
			t.progressf("%d rows", done)
		}
	}
	return nil
}

// A document has about 300 bytes that do not compress well.
const (
	document = `('{"user_name":"user' || i || '","count":1,"cart":"' || encode(sha256(i::text::bytea), 'hex') || encode(sha256((-i)::text::bytea), 'hex') ||
		encode(sha256(('a' || i)::bytea), 'hex') || encode(sha256(('b' || i)::bytea), 'hex') || '"}')::json`
	documentMySQL = `CONCAT('{"user_name":"user', i, '","count":1,"cart":"', SHA2(i, 256), SHA2(-i, 256), SHA2(CONCAT('a', i), 256), SHA2(CONCAT('b', i), 256), '"}')`
)

// settle brings statistics and pages to rest.
func (t *table) settle(ctx context.Context) error {
	if t.engine == servers.MySQL {
		_, err := t.exec(ctx, "ANALYZE TABLE sessions")
		return err
	}
	for _, statement := range []string{"VACUUM (ANALYZE) sessions", "CHECKPOINT"} {
		if _, err := t.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
