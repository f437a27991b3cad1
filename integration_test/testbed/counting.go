package testbed

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Sent counts statements.
type Sent struct {
	atomic.Int64
	last atomic.Int64 // the statement after whose answer this process kills itself; 0: none
}

// DieAfter makes this process kill itself when the nth statement from now has been answered.
func (c *Sent) DieAfter(n int64) { c.last.Store(c.Load() + n) }

func (c *Sent) answered() {
	if last := c.last.Load(); last > 0 && c.Load() >= last {
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
}

// tracer counts the statements of a pgx pool.
type tracer struct{ n *Sent }

func (tr tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	tr.n.Add(1)
	return ctx
}

func (tr tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { tr.n.answered() }

// counting counts the statements that database/sql sends through any driver, and lets
// connections be replaced that are in use.
type counting struct {
	driver.Connector
	n       *Sent
	renewed *atomic.Int64 // times
}

func (c counting) Connect(ctx context.Context) (driver.Conn, error) {
	born := c.renewed.Load() // before the server is asked
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countingConn{conn, c.n, born, c.renewed}, nil
}

type countingConn struct {
	driver.Conn
	n       *Sent
	born    int64
	renewed *atomic.Int64
}

func (c countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if !errors.Is(err, driver.ErrSkip) {
		c.n.Add(1)
		c.n.answered()
	}
	return result, err
}

func (c countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if !errors.Is(err, driver.ErrSkip) {
		c.n.Add(1)
		c.n.answered()
	}
	return rows, err
}

func (c countingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return countingStmt{stmt, c.n}, nil
}

func (c countingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c countingConn) Ping(ctx context.Context) error { return c.Conn.(driver.Pinger).Ping(ctx) }

func (c countingConn) ResetSession(ctx context.Context) error {
	if c.born != c.renewed.Load() {
		return driver.ErrBadConn // and the pool takes another
	}
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c countingConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return c.born == c.renewed.Load() && (!ok || v.IsValid())
}

func (c countingConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type countingStmt struct {
	driver.Stmt
	n *Sent
}

func (s countingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.n.Add(1)
	defer s.n.answered()
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s countingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.n.Add(1)
	defer s.n.answered()
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
