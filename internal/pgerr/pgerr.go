// Package pgerr says what PostgreSQL's errors mean. It goes by the SQLSTATE, which the
// errors of pgx and lib/pq return from the same method, and imports neither.
package pgerr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/driver"
)

// State returns the SQLSTATE of an error, or "".
func State(err error) string {
	if err == nil { // spares an allocation
		return ""
	}
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// known are the states that callers tell apart, and those for which PostgreSQL's text
// does not say what an operator can do.
var known = map[string]struct {
	sentinel error
	advice   string
}{
	"23505": {driver.ErrExists, ""}, // unique_violation

	"42P01": {driver.ErrSchema, ""}, // undefined_table
	"42703": {driver.ErrSchema, ""}, // undefined_column
	"3F000": {driver.ErrSchema, ""}, // invalid_schema_name
	"42883": {driver.ErrSchema, ""}, // undefined_function: a column of another type
	"42804": {driver.ErrSchema, ""}, // datatype_mismatch
	"23502": {driver.ErrSchema, ""}, // not_null_violation: a column that this version does not know

	"22P02": {driver.ErrValue, ""}, // invalid_text_representation
	"22P05": {driver.ErrValue, ""}, // untranslatable_character
	"22021": {driver.ErrValue, ""}, // character_not_in_repertoire
	"22001": {driver.ErrValue, ""}, // string_data_right_truncation
	"54001": {driver.ErrValue, ""}, // statement_too_complex: JSON that is too deep

	"25006": {nil, "the server or the role is read-only; use the primary's address (target_session_attrs=read-write finds it among several hosts)"},
	"42501": {nil, "the role needs USAGE on the schema and SELECT, INSERT, UPDATE and DELETE on the table"},
	"53100": {nil, "the server has no room left"}, // disk_full
	"53200": {nil, "the server has no room left"}, // out_of_memory
	"53300": {nil, "there are too many connections; lower the pool's size or raise max_connections or the role's limit"},
	"57P03": {nil, "the server is starting or stopping"},
	"42P05": {nil, pooler}, // duplicate_prepared_statement
	"26000": {nil, pooler}, // invalid_sql_statement_name
}

const pooler = "a pooler shares connections between clients; add default_query_exec_mode=exec to the DSN (lib/pq: binary_parameters=yes)"

// Sentinel returns the error of package driver that err amounts to, or nil.
func Sentinel(err error) error { return known[State(err)].sentinel }

// Explain adds the sentinel to an error, or advice for an operator. If the table does not
// fit, the error says how it misfits.
func Explain(err error, table, misfit string) error {
	is := known[State(err)]
	if state := State(err); strings.HasPrefix(state, "22") {
		err = quiet(state)
	}
	switch {
	case is.sentinel == driver.ErrSchema: //nolint:errorlint // the table has it bare
		return fmt.Errorf("%w: table %s %s: %w", is.sentinel, table, misfit, err)
	case is.sentinel != nil:
		return fmt.Errorf("%w: %w", is.sentinel, err)
	case is.advice != "":
		return fmt.Errorf("%s: %w", is.advice, err)
	}
	return err
}

// A quiet error is a data_exception's state without the server's text, which quotes the value.
// Other texts name no more than tables, columns and constraints; values are in their details,
// which drivers do not show.
type quiet string

func (q quiet) Error() string {
	return fmt.Sprintf("SQLSTATE %s: its text is left out, because it may quote a session", string(q))
}

// SQLState returns the state, as drivers' errors do.
func (q quiet) SQLState() string { return string(q) }

// Transient reports whether the statement has certainly been undone and is worth
// another try.
func Transient(err error) bool {
	switch State(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

// Lost reports whether the server says that the connection has ended, or that a statement
// which is prepared on it fits the table no more. Another connection may do.
func Lost(err error) bool {
	switch state := State(err); state {
	case "57P01", "57P02", "57P05", // admin_shutdown, crash_shutdown, idle_session_timeout
		"0A000": // feature_not_supported: "cached plan must not change result type"
		return true
	default:
		return strings.HasPrefix(state, "08") // connection_exception, as poolers say it
	}
}

// Refused reports whether nothing of the statement was done, and a single row may be the
// reason: a value, a constraint, another change, a damaged page.
func Refused(err error) bool {
	state := State(err)
	if len(state) != 5 {
		return false
	}
	switch state[:2] {
	case "22", "23", "40", "XX":
		return state != "40003" // statement_completion_unknown
	}
	return state == "54001" // statement_too_complex
}

// Canceled reports whether the statement was cancelled, which is all that lib/pq says when
// its context ends.
func Canceled(err error) bool { return State(err) == "57014" } // query_canceled

// LockTimeout reports whether the statement waited longer than lock_timeout.
func LockTimeout(err error) bool { return State(err) == "55P03" } // lock_not_available
