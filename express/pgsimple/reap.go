package pgsimple

import (
	"context"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

// Reap implements [driver.Store]. What it deletes, upstream's own pruning would delete too.
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (result driver.ReapResult, err error) {
	err = s.get(ctx, retry.Few, []any{&result.Deleted}, s.sql.reap, req.Limit)
	result.More = err == nil && result.Deleted == req.Limit
	return result, s.wrap("reap", err)
}
