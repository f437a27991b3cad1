package mysqlstore

import (
	"context"
	"fmt"

	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/native"
)

// wrap adds the operation to an error, the sentinel by which callers tell it from others,
// or advice for an operator, and why ctx ended if the error comes from that.
func (s *Store) wrap(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("mysqlstore: %s: %w", op, myerr.Explain(err, s.table, native.Misfit))
	return cause.Add(ctx, err, myerr.Transient)
}
