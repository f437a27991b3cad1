// Package cause adds to an error why its context ended, which drivers leave out.
package cause

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Add returns err, and wraps context.Cause(ctx) too if ctx has ended and err comes from
// that: if it wraps ctx.Err(), or interrupted reports true for it, or it is of a
// transaction that database/sql has rolled back since. A nil interrupted stands for a
// driver whose every error may come from it.
func Add(ctx context.Context, err error, interrupted func(error) bool) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	if errors.Is(err, cause) || interrupted != nil && !interrupted(err) && !errors.Is(err, ctx.Err()) && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
