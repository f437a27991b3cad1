package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
)

// says reports whether SQLite gave one of these texts. The store imports no driver,
// and the text, which is SQLite's own, is all that the errors of drivers have in common.
func says(err error, texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// busy reports whether another connection has the lock that the statement needs; the
// statement has not been run. "table" and "schema" are what connections with a
// shared cache say.
func busy(err error) bool {
	return says(err, "database is locked", "database table is locked", "database schema is locked", "SQLITE_BUSY")
}

// missing reports whether SQLite did not find the table or a column.
func missing(err error) bool {
	return says(err, "no such table", "no such column", "has no column named", "unknown database")
}

// fits asks for the table again and returns nil if it is there as this version needs
// it. A connection that knows the schema of before a migration finds out about the
// new one when it reads the file, and while another has the lock it says "no such
// table" in place of "database is locked". Within a transaction that has read the
// file its answer holds.
func (s *Store) fits(ctx context.Context) error {
	tx, err := s.db.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	_, _, err = scan(func(dest ...any) error { return tx.QueryRowContext(ctx, s.sql.load, []byte{}).Scan(dest...) })
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// patience bounds the wait for a lock where the caller's context has no deadline.
const patience = 30 * time.Second

// whenFree runs f again while another connection has the lock, reads too: without
// WAL a writer shuts out readers. So the store needs no busy timeout of the driver's,
// which most drivers do not end when the context does. If the context has ended, the
// error wraps its cause, of which drivers know nothing.
func (s *Store) whenFree(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var lock error
	mistaken := 0
	again := func(err error) bool {
		if missing(err) && mistaken < retry.Many { // not for ever: another connection may have another file
			if err = s.fits(ctx); err == nil {
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

// advice tells an operator what SQLite's text does not.
func advice(err error) string {
	switch {
	case busy(err):
		return "another connection kept the file locked; look for a transaction that is left open, and set journal_mode to WAL, where readers lock nobody out: "
	case says(err, "database or disk is full"):
		return "the disk is full or the file is at its max_page_count: "
	case says(err, "attempt to write a readonly database"):
		return "this process may not write the file and make files beside it, or the connection is read-only: "
	case says(err, "unable to open database file"):
		return "see that the directory is there and this process may read and write it and the file: "
	case says(err, "file is not a database", "database disk image is malformed"):
		return "the file is damaged or is no SQLite database; restore it from a backup or give another path: "
	case says(err, "NOT NULL constraint failed"): // its times are NULL
		return "this SQLite is older than 3.42, or the table has a column more: "
	}
	return ""
}

// wrap says what was being done, and adds the sentinels by which callers tell
// errors apart.
func (s *Store) wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case says(err, "UNIQUE constraint failed"):
		return fmt.Errorf("sqlitestore: %s: %w: %w", doing, driver.ErrExists, err)
	case missing(err):
		return fmt.Errorf("sqlitestore: %s: %w: table %s %s: %w", doing, driver.ErrSchema, s.table, native.Misfit, err)
	case says(err, "CHECK constraint failed", "malformed JSON"):
		return fmt.Errorf("sqlitestore: %s: %w: %w", doing, driver.ErrValue, err)
	}
	return fmt.Errorf("sqlitestore: %s: %s%w", doing, advice(err), err)
}
