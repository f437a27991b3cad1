package pgsimple

import (
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

// transient reports whether the database has certainly undone the statement.
func transient(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
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

// wrap adds what was being done, and the sentinel to errors that callers tell apart.
func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch sqlState(err) {
	case "23505": // unique_violation; the text would show the id
		return fmt.Errorf("pgsimple: %s: %w", doing, driver.ErrExists)
	case "42P01", "42703", "3F000", // undefined table, column, schema
		"42883", "42804", "23502": // a column of another type, one more that is NOT NULL
		return fmt.Errorf("pgsimple: %s: %w: table %s is not as it was when it was opened: %w", doing, driver.ErrSchema, s.table, err)
	case "22P02", "22P05", "22021", "54001", "22001": // text that json does not take; an id longer than the column
		return fmt.Errorf("pgsimple: %s: %w: error %s", doing, driver.ErrValue, sqlState(err))
	}
	return fmt.Errorf("pgsimple: %s: %s%w", doing, advice(err), err)
}
