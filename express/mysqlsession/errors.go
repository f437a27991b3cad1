package mysqlsession

import (
	"fmt"

	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/myerr"
)

// wrap adds the operation to an error, and the sentinel by which callers tell it from
// others, or advice for an operator.
func (s *Store) wrap(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case myerr.SafeUpdates(err): // MariaDB does not count FORCE INDEX
		return fmt.Errorf("mysqlsession: %s: the reaper needs sql_safe_updates to be off: %w", op, err)
	}
	return fmt.Errorf("mysqlsession: %s: %w", op, myerr.Explain(err, s.table, row.Misfit))
}
