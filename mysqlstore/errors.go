package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/driver"
)

func number(err error) uint16 {
	if err == nil { // spares an allocation
		return 0
	}
	var coded *mysql.MySQLError
	if errors.As(err, &coded) {
		return coded.Number
	}
	return 0
}

// transient reports whether the statement has certainly been undone and may be run again.
func transient(err error) bool { return undone(err) || waited(err) }

// waited reports whether it was undone after a wait for a lock (lock wait timeout).
func waited(err error) bool { return number(err) == 1205 }

// undone reports whether it was undone at once, not after a wait for a lock.
func undone(err error) bool {
	switch number(err) {
	case 1213, 1020: // deadlock, MariaDB: record has changed since last read
		return true
	}
	return false
}

// tooLarge reports whether something was longer than the server or the driver takes.
func tooLarge(err error) bool {
	return number(err) == 1153 || inPieces(err) || errors.Is(err, mysql.ErrPktTooLarge)
}

// inPieces reports whether something was too large after the driver had sent it in
// pieces. From then on the server refuses the prepared statement, with the same error.
func inPieces(err error) bool {
	return number(err) == 1105 && strings.Contains(err.Error(), "max_allowed_packet")
}

// advice tells an operator what the server's text does not.
func advice(err error) string {
	switch number(err) {
	case 1290, 1836, 1792: // read_only or super_read_only, read-only mode, read-only transaction
		return "the server is read-only, as a replica is; use the primary's address: "
	case 1044, 1142, 1143, 1370: // denied: database, table, column, routine
		return "the user needs SELECT, INSERT, UPDATE and DELETE on the table: "
	case 1040, 1203, 1226: // server's limit, max_user_connections, resource limit of the account
		return "there are too many connections; lower SetMaxOpenConns or raise the limit: "
	case 1114, 1021, 1041: // table full, disk full, out of memory
		return "the server has no room left: "
	case 1047: // Galera: not prepared for application use
		return "this node is not part of the cluster's majority; use another one: "
	}
	return ""
}

// wrap says what was being done, and gives errors that callers tell apart
// their sentinel.
func (s *Store) wrap(ctx context.Context, doing string, err error) error {
	switch number(err) {
	case 1062: // duplicate entry; the text would show the key
		return fmt.Errorf("mysqlstore: %s: %w", doing, driver.ErrExists)
	case 1146, 1054, 1049, 1364: // unknown table, column, database; a column more, without default
		return fmt.Errorf("mysqlstore: %s: %w: table %s is missing or not as this version needs it; run `sessions migrate up`, and `sessions doctor` if that changes nothing: %w",
			doing, driver.ErrSchema, s.table, err)
	case 3140, 3819, 4025, 1366, 1048: // not JSON, check violated (MySQL, MariaDB), not UTF-8, which CONVERT makes NULL
		return fmt.Errorf("mysqlstore: %s: %w: error %d", doing, driver.ErrValue, number(err))
	case 1300: // MariaDB: not text of the connection's character set
		return fmt.Errorf("mysqlstore: %s: %w: error %d; the text is not UTF-8, or the DSN's charset is not utf8mb4", doing, driver.ErrValue, number(err))
	}
	switch {
	case err == nil:
		return nil
	case tooLarge(err):
		return fmt.Errorf("mysqlstore: %s: %w: raise max_allowed_packet, and the DSN's maxAllowedPacket if it is set, well above Options.MaxBytes: %w",
			doing, driver.ErrTooLarge, err)
	}
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, ctx.Err()) || transient(err)) && !errors.Is(err, cause) {
		return fmt.Errorf("mysqlstore: %s: %w: %w", doing, err, cause)
	}
	return fmt.Errorf("mysqlstore: %s: %s%w", doing, advice(err), err)
}
