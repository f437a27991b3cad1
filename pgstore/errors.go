package pgstore

import (
	"context"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/pgerr"
)

var (
	errExists   = fmt.Errorf("pgstore: create: %w", driver.ErrExists)
	errConflict = fmt.Errorf("pgstore: save: %w", driver.ErrConflict)
)

func notFound(op string) error { return fmt.Errorf("pgstore: %s: %w", op, driver.ErrNotFound) }

// wrap adds the operation to an error, and the sentinel by which callers tell it from
// others, or advice for an operator.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pgstore: %s: %w", op, pgerr.Explain(err, s.table, native.Misfit))
}

// because adds why ctx ended to an error that comes from its end.
func because(ctx context.Context, err error) error { return cause.Add(ctx, err, pgerr.Canceled) }
