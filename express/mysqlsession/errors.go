package mysqlsession

import (
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/driver"
)

func number(err error) uint16 {
	var coded *mysql.MySQLError
	if errors.As(err, &coded) {
		return coded.Number
	}
	return 0
}

// transient reports whether the database has certainly undone the statement.
func transient(err error) bool { return undone(err) || waited(err) }

// waited reports whether it was undone after a wait for a lock (lock wait timeout).
func waited(err error) bool { return number(err) == 1205 }

// undone reports whether it was undone at once.
func undone(err error) bool {
	switch number(err) {
	case 1213, 1020: // deadlock, MariaDB: record has changed since last read
		return true
	}
	return false
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
	case 1175: // a MariaDB does not count FORCE INDEX
		return "the reaper needs sql_safe_updates to be off: "
	case 1047: // Galera: not prepared for application use
		return "this node is not part of the cluster's majority; use another one: "
	}
	return ""
}

// wrap adds what was being done, and the sentinel to errors that callers tell apart.
func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch number(err) {
	case 1062: // duplicate entry; the text would show the id
		return fmt.Errorf("mysqlsession: %s: %w", doing, driver.ErrExists)
	case 1146, 1054, 1049, 1364: // unknown table, column, database; a column more, without default
		return fmt.Errorf("mysqlsession: %s: %w: table %s is not as it was when it was opened: %w", doing, driver.ErrSchema, s.table, err)
	case 3140, 3141, 3819, 4025, 1366, 1048, 1300: // not JSON, check violated (MySQL, MariaDB), not text of the column
		return fmt.Errorf("mysqlsession: %s: %w: error %d", doing, driver.ErrValue, number(err))
	case 1153: // packet too large
		return fmt.Errorf("mysqlsession: %s: %w: raise the server's max_allowed_packet well above Options.MaxBytes: %w", doing, driver.ErrTooLarge, err)
	}
	return fmt.Errorf("mysqlsession: %s: %s%w", doing, advice(err), err)
}
