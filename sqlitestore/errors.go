package sqlitestore

import (
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions"
)

// The store imports no driver, and drivers have no error type in common. What
// they do have in common is the text, which is SQLite's own.
func says(err error, texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// busy holds when another connection writes; the statement has not been run.
func busy(err error) bool {
	return says(err, "database is locked", "database table is locked", "SQLITE_BUSY")
}

// wrap says what was being done, and gives errors that callers tell apart
// their sentinel.
func (s *Store) wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case says(err, "UNIQUE constraint failed"):
		return fmt.Errorf("sqlitestore: %s: %w: %w", doing, sessions.ErrExists, err)
	case says(err, "no such table", "no such column", "unknown database"):
		return fmt.Errorf("sqlitestore: %s: %w: table %s is missing or older than this version needs; run `sessions migrate up`: %w",
			doing, sessions.ErrSchema, s.table, err)
	case says(err, "CHECK constraint failed", "malformed JSON"):
		return fmt.Errorf("sqlitestore: %s: %w: %w", doing, sessions.ErrValue, err)
	}
	return fmt.Errorf("sqlitestore: %s: %w", doing, err)
}
