package pgsimple

import (
	"context"

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

func (t *table) Query(ctx context.Context, query stmt.ID, args []any, each func(scan func(...any) error) error) error {
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
