package pgstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// db is what the store asks of a pool, whichever kind it is.
type db interface {
	exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	query(ctx context.Context, take func(rows) error, query string, args ...any) error
	json(data []byte) any // as a parameter
	size() int            // how many connections there may be, 0 for any number
	open() int            // how many there are
}

type row interface {
	Scan(dest ...any) error
}

type rows interface {
	row
	record() (record, error)
	Next() bool
	Err() error
	Close() error
}

// all has take see each row.
func all(found rows, take func(rows) error) (err error) {
	defer func() { err = cmp.Or(err, found.Close()) }()
	for found.Next() {
		if err := take(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// sqlDB leaves preparing to the driver: pgx keeps statements prepared, and users of a
// pooler must be able to forbid that in the DSN.
type sqlDB struct{ *sql.DB }

func (d sqlDB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := d.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query asks pgx directly, because database/sql would convert each column twice. It does not
// with what wraps pgx's connections, which wants to see the statements.
func (d sqlDB) query(ctx context.Context, take func(rows) error, query string, args ...any) error {
	if _, ok := d.Driver().(*stdlib.Driver); !ok {
		return d.convert(ctx, take, query, args)
	}
	conn, err := d.Conn(ctx)
	if err != nil {
		return err
	}
	other := false // what wraps pgx, or a connection that was lost before anything was sent
	err = conn.Raw(func(conn any) error {
		c, ok := conn.(*stdlib.Conn)
		if other = !ok; other {
			return nil
		}
		found, err := c.Conn().Query(ctx, query, plain(slices.Clone(args))...)
		if err != nil {
			other = pgconn.SafeToRetry(err)
			return err
		}
		return all(poolRows{found}, take)
	})
	if closed := conn.Close(); !other {
		return cmp.Or(err, closed)
	}
	return d.convert(ctx, take, query, args)
}

// convert is query by way of database/sql.
func (d sqlDB) convert(ctx context.Context, take func(rows) error, query string, args []any) error {
	found, err := d.QueryContext(ctx, query, args...) //nolint:rowserrcheck // all does
	if err != nil {
		return err
	}
	return all(sqlRows{found}, take)
}

// json returns a string, because some drivers and modes send bytes as a bytea.
func (d sqlDB) json(data []byte) any { return string(data) }

func (d sqlDB) size() int { return d.Stats().MaxOpenConnections }
func (d sqlDB) open() int { return d.Stats().OpenConnections }

type sqlRows struct{ *sql.Rows }

func (r sqlRows) record() (record, error) { return scan(r) }

type pool struct{ *pgxpool.Pool }

func (p pool) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := p.Exec(ctx, query, plain(args)...)
	return tag.RowsAffected(), err
}

func (p pool) query(ctx context.Context, take func(rows) error, query string, args ...any) error {
	found, err := p.Query(ctx, query, plain(args)...)
	if err != nil {
		return err
	}
	return all(poolRows{found}, take)
}

func (p pool) json(data []byte) any { return json.RawMessage(data) }

func (p pool) size() int { return int(p.Config().MaxConns) }
func (p pool) open() int { return int(p.Stat().TotalConns()) }

type poolRows struct{ pgx.Rows }

func (r poolRows) Close() error {
	r.Rows.Close()
	return r.Err()
}

func (r poolRows) record() (record, error) {
	if record, ok := decode(r.FieldDescriptions(), r.RawValues()); ok {
		return record, nil
	}
	return scan(r)
}

// transient reports whether PostgreSQL has undone the statement, or never got it.
func transient(err error) bool { return pgerr.Transient(err) || unsent(err) }

// unsent reports whether a connection turned out to be dead before anything was sent.
func unsent(err error) bool { return pgconn.SafeToRetry(err) && !connecting(err) }

// connecting reports whether a connection could not be made.
func connecting(err error) bool {
	var failed *pgconn.ConnectError
	return errors.As(err, &failed)
}

func (t *table) Lost(err error) (tries int) {
	if unsent(err) || (pgerr.Lost(err) || retry.Lost(err)) && !connecting(err) {
		return t.db.open() + 1
	}
	return 0
}

// exec runs a statement that may be run again if PostgreSQL undid it.
func (t *table) exec(ctx context.Context, query stmt.ID, args ...any) (n int64, err error) {
	err = retry.Do(ctx, retry.Many, transient, func() error {
		n, err = t.db.exec(ctx, t.sql[query], args...)
		return err
	})
	return n, err
}

// each runs a query that may be run again if PostgreSQL undid it, and calls take for each
// row. Each try begins with reset, because a query can be undone after its rows came, when
// it is committed.
func (t *table) each(ctx context.Context, tries int, query stmt.ID, reset func(), take func(rows) error, args ...any) error {
	return retry.Do(ctx, tries, transient, func() error {
		reset()
		return t.db.query(ctx, take, t.sql[query], args...)
	})
}
