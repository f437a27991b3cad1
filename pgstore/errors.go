package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
)

// sqlState returns PostgreSQL's error code. pgx and lib/pq both have the method.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// transient reports whether the statement has certainly been undone and is worth
// another try.
func transient(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

// refused reports whether nothing of the statement was done, and one row alone may be
// the reason: a value, a constraint, another change, a damaged page.
func refused(err error) bool {
	state := sqlState(err)
	if len(state) != 5 {
		return false
	}
	switch state[:2] {
	case "22", "23", "40", "XX":
		return state != "40003" // statement_completion_unknown
	}
	return state == "54001" // statement_too_complex
}

// advice tells an operator what PostgreSQL's text does not.
func advice(err error) string {
	switch sqlState(err) {
	case "25006": // read_only_sql_transaction
		return "the server or the role is read-only; use the primary's address (target_session_attrs=read-write finds it among several hosts): "
	case "42501": // insufficient_privilege
		return "the role needs USAGE on the schema and SELECT, INSERT, UPDATE and DELETE on the table: "
	case "53100", "53200": // disk_full, out_of_memory
		return "the server has no room left: "
	case "53300": // too_many_connections
		return "there are too many connections; lower the pool's size or raise max_connections or the role's limit: "
	case "57P03": // cannot_connect_now
		return "the server is starting or stopping: "
	case "42P05", "26000": // duplicate, unknown prepared statement
		return "a pooler shares connections between clients; add default_query_exec_mode=exec to the DSN (lib/pq: binary_parameters=yes): "
	}
	return ""
}

// wrap says what was being done, and gives errors that callers tell apart
// their sentinel.
func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch sqlState(err) {
	case "23505": // unique_violation
		return fmt.Errorf("pgstore: %s: %w: %w", doing, driver.ErrExists, err)
	case "42P01", "42703", "3F000", // undefined table, column, schema
		"42883", "42804", "23502": // a column of another type, one more that is NOT NULL
		return fmt.Errorf("pgstore: %s: %w: table %s is missing or not as this version needs it; run `sessions migrate up`, and `sessions doctor` if that changes nothing: %w",
			doing, driver.ErrSchema, s.table, err)
	case "22P02", "22P05", "22021", "54001": // text that json does not take
		return fmt.Errorf("pgstore: %s: %w: %w", doing, driver.ErrValue, err)
	}
	return fmt.Errorf("pgstore: %s: %s%w", doing, advice(err), err)
}

var (
	errExists   = fmt.Errorf("pgstore: create: %w", driver.ErrExists)
	errConflict = fmt.Errorf("pgstore: save: %w", driver.ErrConflict)
)

func notFound(doing string) error { return fmt.Errorf("pgstore: %s: %w", doing, driver.ErrNotFound) }

// because adds why ctx ended to an error that comes from its end. Drivers leave that out.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	canceled := sqlState(err) == "57014" // query_canceled, which is all that lib/pq returns
	if errors.Is(err, cause) || !canceled && !errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
