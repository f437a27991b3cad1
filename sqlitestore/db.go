package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A db is what all stores on one database share.
type db struct {
	*stmt.Cache
	writer chan struct{} // SQLite has one writer; waiting here is fair, waiting there is not
}

func on(pool *sql.DB) *db {
	return &db{Cache: &stmt.Cache{DB: pool}, writer: make(chan struct{}, 1)}
}

// write runs f, which writes, while no other call of this process does.
func (t *table) write(ctx context.Context, f func() error) error {
	select {
	case t.writer <- struct{}{}:
		defer func() { <-t.writer }()
		return t.whenFree(ctx, f)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exec runs a statement that writes, and returns how many rows it wrote.
func (t *table) exec(ctx context.Context, query stmt.ID, args ...any) (n int64, err error) {
	err = t.write(ctx, func() error {
		n, err = t.Exec(ctx, t.sql[query], args...)
		return err
	})
	return n, err
}

func (t *table) queryRow(ctx context.Context, query stmt.ID, args []any, dest ...any) error {
	return t.whenFree(ctx, func() error { return t.QueryRow(ctx, t.sql[query], args, dest...) })
}

// fits asks for the table again and returns nil if it is there as this version needs
// it. A connection that still has the schema from before a migration finds out about the
// new one when it reads the file, and while another has the lock it says "no such table"
// instead of "database is locked". Within a transaction that has read the file its answer
// is right.
func (t *table) fits(ctx context.Context) error {
	tx, err := t.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	_, err = scan(&native.Lookup{}, func(dest ...any) error { return tx.QueryRowContext(ctx, t.sql[load], []byte{}).Scan(dest...) })
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// patience is how long to wait for a lock if the caller's context has no deadline.
const patience = 30 * time.Second

// whenFree runs f again while another connection has the lock, also for reads: without
// WAL a writer locks readers out. So the store needs no busy timeout of the driver's,
// which in most drivers goes on after the context has ended. If the context has ended, the
// error wraps its cause, which drivers leave out.
func (t *table) whenFree(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var lock error
	mistaken := 0
	again := func(err error) bool {
		if missing(err) && mistaken < retry.Many { // a limit, because another connection may have another file
			if err = t.fits(ctx); err == nil {
				mistaken++
				return true
			}
		}
		return busy(err)
	}
	err := retry.Do(ctx, math.MaxInt, again, func() error {
		err := f()
		if err != nil && busy(err) {
			lock = err
		}
		return err
	})
	if err != nil && ctx.Err() != nil && lock != nil && !busy(err) { // the time was up in the middle of a try
		err = fmt.Errorf("%w: %w", err, lock)
	}
	return cause.Add(ctx, err, nil)
}
