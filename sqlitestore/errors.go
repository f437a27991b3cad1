package sqlitestore

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
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

// busy reports whether another connection has the lock that the statement needs. The
// statement has not been run. Connections with a shared cache say "table" and "schema".
func busy(err error) bool {
	return says(err, "database is locked", "database table is locked", "database schema is locked", "SQLITE_BUSY")
}

// missing reports whether SQLite did not find the table or a column.
func missing(err error) bool {
	return says(err, "no such table", "no such column", "has no column named", "unknown database")
}

// Explain leaves the cause to whenFree.
func (t *table) Explain(_ context.Context, err error) error {
	switch {
	case says(err, "UNIQUE constraint failed"):
		return fmt.Errorf("%w: %w", driver.ErrExists, err)
	case missing(err):
		return fmt.Errorf("%w: table %s %s: %w", driver.ErrSchema, t.name, native.Misfit, err)
	case says(err, "CHECK constraint failed", "malformed JSON"):
		return fmt.Errorf("%w: %w", driver.ErrValue, err)
	}
	return fmt.Errorf("%s%w", advice(err), err)
}

// advice tells an operator what SQLite's text does not.
func advice(err error) string {
	switch {
	case busy(err):
		return "another connection kept the file locked; look for a transaction that is left open, and set journal_mode to WAL, so that readers lock no writer out: "
	case says(err, "database or disk is full"):
		return "the disk is full or the file is at its max_page_count: "
	case says(err, "attempt to write a readonly database"):
		return "this process may not write the file and make files beside it, or the connection is read-only: "
	case says(err, "unable to open database file"):
		return "see that the directory is there and this process may read and write it and the file: "
	case says(err, "file is not a database", "database disk image is malformed"):
		return "the file is damaged or is not a SQLite database; restore it from a backup or give another path: "
	case says(err, "NOT NULL constraint failed"): // its times are NULL
		return "this SQLite is older than 3.42, or the table has a column that this version does not know: "
	}
	return ""
}
