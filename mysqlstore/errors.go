package mysqlstore

import (
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions"
)

func number(err error) uint16 {
	var coded *mysql.MySQLError
	if errors.As(err, &coded) {
		return coded.Number
	}
	return 0
}

// transient holds for errors after which the statement has certainly been undone.
func transient(err error) bool {
	switch number(err) {
	case 1205, 1213, 1020: // lock wait timeout, deadlock, MariaDB: record has changed since last read
		return true
	}
	return false
}

// wrap says what was being done, and gives errors that callers tell apart
// their sentinel.
func (s *Store) wrap(doing string, err error) error {
	switch number(err) {
	case 1062: // duplicate entry; the text would show the key
		return fmt.Errorf("mysqlstore: %s: %w", doing, sessions.ErrExists)
	case 1146, 1054, 1049: // unknown table, column, database
		return fmt.Errorf("mysqlstore: %s: %w: table %s is missing or older than this version needs; run `sessions migrate up`: %w",
			doing, sessions.ErrSchema, s.table, err)
	case 3140, 3819, 4025, 1366: // not JSON, check violated (MySQL, MariaDB), not UTF-8
		return fmt.Errorf("mysqlstore: %s: %w: error %d", doing, sessions.ErrValue, number(err))
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("mysqlstore: %s: %w", doing, err)
}
