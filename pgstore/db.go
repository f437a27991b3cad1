package pgstore

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// db is what the store asks of a pool, whichever kind it is.
type db interface {
	exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	json(data []byte) any // as a parameter
	size() int            // how many connections there may be, 0 for any number
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

// sqlDB leaves preparing to the driver: pgx's keeps statements prepared, and
// with a pooler the user's DSN has to be able to forbid it.
type sqlDB struct{ *sql.DB }

func (d sqlDB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := d.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (d sqlDB) query(ctx context.Context, query string, args ...any) (rows, error) {
	found, err := d.QueryContext(ctx, query, args...) //nolint:rowserrcheck // read to the end and checked by the caller, which closes them
	return sqlRows{found}, err
}

// json makes a string, because some drivers and modes take bytes for a bytea.
func (d sqlDB) json(data []byte) any { return string(data) }

func (d sqlDB) size() int { return d.Stats().MaxOpenConnections }

type sqlRows struct{ *sql.Rows }

func (r sqlRows) record() (record, error) { return scan(r) }

type pool struct{ *pgxpool.Pool }

func (p pool) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := p.Exec(ctx, query, plain(args)...)
	return tag.RowsAffected(), err
}

func (p pool) query(ctx context.Context, query string, args ...any) (rows, error) {
	found, err := p.Query(ctx, query, plain(args)...)
	return poolRows{found}, err
}

func (p pool) json(data []byte) any { return json.RawMessage(data) }

func (p pool) size() int { return int(p.Config().MaxConns) }

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
