// Package stmt lists the statements of a store, and keeps them prepared.
package stmt

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
)

// A Cache prepares each statement once for each connection of a pool, when it is first
// needed there. Statements are a fixed set: only Forget drops one, and a prepared
// statement ends with its connection. Safe for concurrent use.
type Cache struct {
	DB *sql.DB
	// Check, unless nil, must have succeeded once before anything is prepared.
	Check func(context.Context, *sql.DB) error

	checked atomic.Bool
	stmts   sync.Map // query text -> *sql.Stmt
}

// Ready returns nil if Check has succeeded, or does. Who uses DB without the cache calls it
// before.
func (c *Cache) Ready(ctx context.Context) error {
	if c.Check != nil && !c.checked.Load() {
		if err := c.Check(ctx, c.DB); err != nil {
			return err
		}
		c.checked.Store(true)
	}
	return nil
}

func (c *Cache) get(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	if err := c.Ready(ctx); err != nil {
		return nil, err
	}
	s, err := c.DB.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, taken := c.stmts.LoadOrStore(query, s); taken {
		_ = s.Close()
		return first.(*sql.Stmt), nil
	}
	return s, nil
}

// Forget closes a statement. Its next use prepares it again.
func (c *Cache) Forget(query string) {
	if s, ok := c.stmts.LoadAndDelete(query); ok {
		_ = s.(*sql.Stmt).Close()
	}
}

// forgotten reports whether a statement was forgotten after [Cache.get] returned it; nothing
// was sent. Package database/sql has no sentinel for this.
func forgotten(err error) bool {
	return err != nil && err.Error() == "sql: statement is closed"
}

// Exec runs a statement and returns how many rows it affected.
func (c *Cache) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := c.Run(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Run runs a statement and returns its result.
func (c *Cache) Run(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := c.get(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args...)
	if forgotten(err) {
		return c.Run(ctx, query, args...)
	}
	return result, err
}

// QueryRow runs a query for one row and scans it into dest.
func (c *Cache) QueryRow(ctx context.Context, query string, args []any, dest ...any) error {
	s, err := c.get(ctx, query)
	if err != nil {
		return err
	}
	err = s.QueryRowContext(ctx, args...).Scan(dest...)
	if forgotten(err) {
		return c.QueryRow(ctx, query, args, dest...)
	}
	return err
}

// Query runs a query and calls each for every row.
func (c *Cache) Query(ctx context.Context, query string, args []any, each func(scan func(dest ...any) error) error) error {
	s, err := c.get(ctx, query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if forgotten(err) {
		return c.Query(ctx, query, args, each)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
