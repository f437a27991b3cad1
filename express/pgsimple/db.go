package pgsimple

import (
	"context"
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// get runs a statement that returns one row, and again if PostgreSQL undid it.
func (t *table) get(ctx context.Context, tries int, dest []any, query stmt.ID, args ...any) error {
	return row.Answer(ctx, retry.Do(ctx, tries, pgerr.Transient, func() error {
		return t.db.QueryRowContext(ctx, t.sql[query], args...).Scan(dest...)
	}))
}

// query calls each for every row that a statement returns.
func (t *table) query(ctx context.Context, query stmt.ID, args []any, each func(from func(...any) error) error) error {
	found, err := t.db.QueryContext(ctx, t.sql[query], args...)
	if err != nil {
		return row.Answer(ctx, err)
	}
	defer found.Close()
	for found.Next() {
		if err := each(found.Scan); err != nil {
			return row.Answer(ctx, err)
		}
	}
	return row.Answer(ctx, found.Err())
}

func (t *table) read(ctx context.Context, query stmt.ID, args ...any) (rows []driver.Row, err error) {
	err = t.query(ctx, query, args, func(from func(...any) error) error {
		r, err := scan(from)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

// scan reads $COLUMNS.
func scan(from func(dest ...any) error) (r driver.Row, err error) {
	var sid string
	var text []byte
	var left int64
	if err := from(&sid, &text, &r.Version, &left); err != nil {
		return driver.Row{}, err
	}
	r.Ref = driver.Ref{ID: row.ID(sid), Verifier: driver.Verifier(sid)}
	r.Data, r.User = row.Decode(text)
	r.ExpiresIn = time.Duration(max(left, 1)) * time.Microsecond // a row lives to the end of that microsecond
	r.AbsoluteIn = math.MaxInt64
	return r, nil
}
