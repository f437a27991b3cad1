// Package pgsimple keeps sessions in the table of connect-pg-simple, the PostgreSQL store
// of Express applications, so that Go and Node programs share them.
// PostgreSQL 14 or later, through a [database/sql.DB] with any driver; with a
// pgxpool.Pool, pass stdlib.OpenDBFromPool(pool).
//
// The table belongs to the Express application, which makes it and may go on using
// it. A row is found by its sid, which is the verifier. What the table has no column
// for is computed: the ID from the sid, so a session that gets a new sid gets a new ID
// too, and the version from the text. A session's user is kept as the member "$user" of
// the JSON. There are no labels, no absolute limit and no times but the expiry, which is a
// whole second.
//
// A request's statements find their row by the primary key, a logout's too. List, EndAll,
// and End of an ID alone read the whole table, because no index can serve
// them: a few seconds for each million rows. Logging a user out everywhere is such a
// statement. EndAll keeps no order: it ends rows as it finds them, and ignores After. It
// removes dead rows too, because Node's touch would bring them back to life.
//
// An ending is a DELETE, because Node would bring an ended row back to life too. So Reason,
// Keep and Mark are ignored, Endings reports what has ended as gone, and there are no marks.
// Grace and Pending are ignored: an old sid opens nothing, and each row is in use at once.
// So is Newest: List keeps the order of the IDs.
package pgsimple

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A Store is a [driver.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use.
type Store struct {
	driver.Store
	rows *row.Store
}

// Page returns up to limit live rows whose sids are larger than after, in the order
// that the column sid has. It reads them by the index of the primary key.
func (s *Store) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	return s.rows.Page(ctx, after, limit)
}

// A table is the store's methods. It implements [row.Table].
type table struct {
	db   *sql.DB
	name string
	sql  []string // the statements, by their IDs
}

func (t *table) Explain(err error) error {
	sentinel := pgerr.Sentinel(err)
	if errors.Is(sentinel, driver.ErrExists) || errors.Is(sentinel, driver.ErrValue) { // the text would show the sid or data
		return fmt.Errorf("%w: error %s", sentinel, pgerr.State(err))
	}
	return pgerr.Explain(err, t.name, row.Misfit)
}

func (t *table) Lost(err error) (tries int) {
	if pgerr.Lost(err) || retry.Lost(err) || pgerr.Transient(err) {
		return t.db.Stats().OpenConnections + 1
	}
	return 0
}

func (t *table) Args(sid driver.Verifier) []any { return []any{string(sid)} }

func (t *table) Holds(sid driver.Verifier) bool { return row.Usable(sid) }

func (t *table) CheckText([]byte) error { return nil }
