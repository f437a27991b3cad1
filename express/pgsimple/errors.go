package pgsimple

import (
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/pgerr"
)

// wrap adds the operation to an error, and the sentinel by which callers tell it from
// others, or advice for an operator.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	sentinel := pgerr.Sentinel(err)
	if errors.Is(sentinel, driver.ErrExists) || errors.Is(sentinel, driver.ErrValue) { // the text would show the sid or data
		return fmt.Errorf("pgsimple: %s: %w: error %s", op, sentinel, pgerr.State(err))
	}
	return fmt.Errorf("pgsimple: %s: %w", op, pgerr.Explain(err, s.table, row.Misfit))
}
