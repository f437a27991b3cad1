package mysqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// exec runs a statement, and again if the database undid it. It returns how many rows the
// statement changed.
func (t *table) exec(ctx context.Context, query stmt.ID, args ...any) (int, error) {
	return mysqldb.Affected(mysqldb.Run(ctx, t.db, t.sql[query], args...))
}

// query calls each for every row that a query returns.
func (t *table) query(ctx context.Context, query stmt.ID, args []any, each func(scan func(...any) error) error) error {
	return t.db.Query(ctx, t.sql[query], args, each)
}

// withKeys puts a place for each key into a statement. The last key is repeated up to a
// power of two, so that few statements have to be prepared.
func withKeys(query string, keys []any) (string, []any) {
	places := 1
	for places < len(keys) {
		places *= 2
	}
	keys = slices.Concat(keys, slices.Repeat(keys[len(keys)-1:], places-len(keys)))
	return strings.ReplaceAll(query, "$KEYS", "?"+strings.Repeat(", ?", places-1)), keys
}

// queryKeys is query for a statement with $KEYS.
func (t *table) queryKeys(ctx context.Context, query stmt.ID, keys []any, each func(scan func(...any) error) error) error {
	text, keys := withKeys(t.sql[query], keys)
	return t.db.Query(ctx, text, keys, each)
}

// execOnce runs a statement that does not stay prepared, on one connection.
func (t *table) execOnce(ctx context.Context, text string, args []any) (int, error) {
	conn, err := t.db.DB.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return mysqldb.Affected(mysqldb.Exec(ctx, conn, text, args...))
}

// most is how many keys there are in one statement. With 1,000 of them MariaDB would make a
// subquery of them and then read, and lock, the whole table.
const most = 512

// execKeys runs a statement with $KEYS, which come after the parameters in set and before
// those in args. It returns how many rows it changed.
func (t *table) execKeys(ctx context.Context, db mysqldb.Preparer, query stmt.ID, set, keys []any, args ...any) (changed int, err error) {
	size := most
	for len(keys) > 0 {
		text, part := withKeys(t.sql[query], keys[:min(size, len(keys))])
		n, err := mysqldb.Affected(mysqldb.Exec(ctx, db, text, slices.Concat(set, part, args)...))
		if myerr.SafeUpdates(err) && size > 1 {
			size = 1 // under sql_safe_updates MariaDB deletes only one at a time
			continue
		}
		if err != nil {
			return changed, err
		}
		changed += n
		keys = keys[min(size, len(keys)):]
	}
	return changed, nil
}
