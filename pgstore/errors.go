package pgstore

import (
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions"
)

// sqlState returns PostgreSQL's error code. pgx and lib/pq both have the method.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// transient holds for errors after which the statement has certainly been undone.
func transient(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

// wrap says what was being done, and gives errors that callers tell apart
// their sentinel.
func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch sqlState(err) {
	case "23505": // unique_violation
		return fmt.Errorf("pgstore: %s: %w: %w", doing, sessions.ErrExists, err)
	case "42P01", "42703", "3F000": // undefined table, column, schema
		return fmt.Errorf("pgstore: %s: %w: table %s is missing or older than this version needs; run `sessions migrate up`: %w",
			doing, sessions.ErrSchema, s.table, err)
	case "22P02", "22P05", "22021", "54001": // text that json does not take
		return fmt.Errorf("pgstore: %s: %w: %w", doing, sessions.ErrValue, err)
	}
	return fmt.Errorf("pgstore: %s: %w", doing, err)
}
