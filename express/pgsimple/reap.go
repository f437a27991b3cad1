package pgsimple

import (
	"context"

	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) ReapRows(ctx context.Context, limit int) (deleted int, err error) {
	err = t.get(ctx, retry.Few, []any{&deleted}, reap, limit)
	return deleted, err
}
