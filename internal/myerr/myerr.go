// Package myerr says what the errors of MySQL, MariaDB and their Go driver mean.
package myerr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

// Number returns the server's number for an error, or 0.
func Number(err error) uint16 {
	if err == nil { // spares an allocation
		return 0
	}
	var coded *mysql.MySQLError
	if errors.As(err, &coded) {
		return coded.Number
	}
	return 0
}

// known are the numbers that callers tell apart, and those for which the server's text
// does not say what an operator can do.
var known = map[uint16]struct {
	sentinel error
	advice   string
}{
	1062: {driver.ErrExists, ""}, // duplicate entry

	1146: {driver.ErrSchema, ""}, // unknown table
	1054: {driver.ErrSchema, ""}, // unknown column
	1049: {driver.ErrSchema, ""}, // unknown database
	1364: {driver.ErrSchema, ""}, // a column that this version does not know has no default

	3140: {driver.ErrValue, ""}, // not JSON
	3141: {driver.ErrValue, ""}, // not JSON, in an argument
	3819: {driver.ErrValue, ""}, // check constraint violated: MySQL
	4025: {driver.ErrValue, ""}, // check constraint violated: MariaDB
	1366: {driver.ErrValue, ""}, // not text of the column's character set
	1048: {driver.ErrValue, ""}, // NULL, which is what CONVERT makes of text that is not UTF-8
	1300: {driver.ErrValue, "the text is not UTF-8, or the DSN's charset is not utf8mb4"},

	1153: {driver.ErrTooLarge, ""}, // larger than max_allowed_packet

	1290: {nil, readOnly},                                                       // read_only or super_read_only
	1836: {nil, readOnly},                                                       // read-only mode
	1792: {nil, readOnly},                                                       // read-only transaction
	1665: {nil, statements},                                                     // what InnoDB can't log as statements
	1044: {nil, denied},                                                         // access to the database denied
	1142: {nil, denied},                                                         // to the table
	1143: {nil, denied},                                                         // to the column
	1370: {nil, denied},                                                         // to the routine
	1040: {nil, connections},                                                    // the server's limit
	1203: {nil, connections},                                                    // max_user_connections
	1226: {nil, connections},                                                    // a resource limit of the account
	1461: {nil, prepared},                                                       // max_prepared_stmt_count
	1114: {nil, full},                                                           // the table is full
	1021: {nil, full},                                                           // the disk is full
	1041: {nil, full},                                                           // out of memory
	1047: {nil, "this node is not part of the cluster's majority; use another"}, // Galera
}

const (
	readOnly    = "the server is read-only, as a replica is; use the primary's address"
	denied      = "the user needs SELECT, INSERT, UPDATE and DELETE on the table"
	connections = "there are too many connections; lower SetMaxOpenConns or raise the limit"
	prepared    = "there are too many prepared statements; raise max_prepared_stmt_count to 75 for each connection, or lower SetMaxOpenConns"
	full        = "the server has no room left"
	statements  = "binlog_format is STATEMENT, which does not go with the isolation level; set it to ROW, or use REPEATABLE READ"
)

// Explain adds the sentinel of package driver to an error, or advice for an operator. If
// the table does not fit, the error says how it misfits. The server's text is left out
// where it would show a key or a value.
func Explain(err error, table, misfit string) error {
	is, tooLarge := known[Number(err)], TooLarge(err)
	switch err = withoutValues(err); {
	case tooLarge:
		return fmt.Errorf("%w: raise max_allowed_packet, and the DSN's maxAllowedPacket if it is set, well above Options.MaxBytes: %w", driver.ErrTooLarge, err)
	case is.sentinel == driver.ErrSchema: //nolint:errorlint // the table has it bare
		return fmt.Errorf("%w: table %s %s: %w", is.sentinel, table, misfit, err)
	case is.sentinel != nil && is.advice != "":
		return fmt.Errorf("%w: error %d: %s", is.sentinel, Number(err), is.advice)
	case is.sentinel != nil:
		return fmt.Errorf("%w: error %d", is.sentinel, Number(err))
	case is.advice != "" && (is.advice != readOnly || ReadOnly(err)):
		return fmt.Errorf("%s: %w", is.advice, err)
	}
	return err
}

// quoting are the errors whose text quotes what a statement was about. Those of known with a
// sentinel are left out anyway.
var quoting = []uint16{
	1064, // syntax error near
	1105, // unknown error, which says anything
	1292, // truncated incorrect value
	1367, // illegal value
	1411, // incorrect value for a function
	1525, // incorrect value of a type
	1586, // duplicate entry for a key
	1690, // value out of range in
}

// withoutValues leaves out the server's text if it may show a value. What stands between
// the application and MySQL may add the values of the statement to any error: Vitess does,
// as BindVars.
func withoutValues(err error) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) || !slices.Contains(quoting, said.Number) && !strings.Contains(said.Message, "BindVars") {
		return err
	}
	return &mysql.MySQLError{Number: said.Number, SQLState: said.SQLState, Message: "its text is left out, because it may quote a session"}
}

// Transient reports whether the statement has certainly been undone and may be run again.
func Transient(err error) bool { return Undone(err) || Waited(err) }

// Undone reports whether the statement was undone at once, without a wait for a lock.
func Undone(err error) bool {
	switch Number(err) {
	case 1213, 1020: // deadlock; MariaDB: the record has changed since it was read
		return true
	}
	return false
}

// Waited reports whether it was undone after a wait for a lock (lock wait timeout).
func Waited(err error) bool { return Number(err) == 1205 }

// Lost reports whether the connection was lost, or ended by the server.
func Lost(err error) bool {
	switch Number(err) {
	case 1053, 1927, 4031: // shutdown, connection killed, idle for too long
		return true
	}
	return errors.Is(err, mysql.ErrInvalidConn) || retry.Lost(err)
}

// Refused reports whether nothing of the statement was done, and a single row may be the
// reason.
func Refused(err error) bool {
	number := Number(err)
	switch number {
	case 0:
		return TooLarge(err)
	case 1300, 1461: // the statement for many may be the one that is too many
		return true
	case 1053, 1180, 1317, 1927: // shutdown, error during COMMIT, interrupted, connection killed: it may have been committed
		return false
	}
	is := known[number]
	return is.advice == "" && is.sentinel != driver.ErrSchema //nolint:errorlint // the table has it bare
}

// TooLarge reports whether something was larger than the server or the driver takes.
func TooLarge(err error) bool {
	return Number(err) == 1153 || InPieces(err) || errors.Is(err, mysql.ErrPktTooLarge)
}

// InPieces reports whether something was too large after the driver had sent it in pieces.
// From then on the server refuses the prepared statement, with the same error.
func InPieces(err error) bool {
	return Number(err) == 1105 && strings.Contains(err.Error(), "max_allowed_packet")
}

// StatementLog reports whether the server logs statements, and can't log this one in a transaction
// of its isolation level.
func StatementLog(err error) bool { return Number(err) == 1665 }

// SafeUpdates reports whether the statement was refused because of sql_safe_updates.
func SafeUpdates(err error) bool { return Number(err) == 1175 }
