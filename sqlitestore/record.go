package sqlitestore

import (
	"database/sql"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// scan reads $COLUMNS. The row has the strings of the caller that asked for it, if they
// are equal. If it has a later format, it comes with an error that wraps
// [driver.ErrSchema].
func scan(asked *native.Lookup, from func(dest ...any) error) (row native.Row, err error) {
	var id, verifier, previous []byte
	var format, pending, previousUntil, created, seen, renewed, expires, absolute, now int64
	var authenticated sql.NullInt64
	err = from(&id, &verifier, &row.Version, &format, &pending, &row.User, &row.Label, &row.Data, &previous, &previousUntil,
		&created, &seen, &renewed, &authenticated, &expires, &absolute, &now)
	if err != nil {
		return row, err
	}
	row.Ref = asked.RefOf(keyOf(id), verifier)
	row.Pending = pending != 0
	if previousUntil > now {
		row.Before = driver.Verifier(previous)
	}
	row.CreatedAt, row.LastSeenAt = time.UnixMilli(created), time.UnixMilli(seen)
	row.LastSeenAge, row.VerifierAge = between(seen, now), between(renewed, now)
	if authenticated.Valid {
		row.AuthenticatedAt, row.AuthenticatedAge = time.UnixMilli(authenticated.Int64), between(authenticated.Int64, now)
	}
	row.ExpiresIn, row.AbsoluteIn = between(now, expires), between(now, absolute)
	return row, native.CheckFormat(format)
}

func keyOf(column []byte) (key native.Key) {
	copy(key[:], column)
	return key
}

func idOf(column []byte) driver.ID { return driver.ID(uuid.Format(keyOf(column))) }

// between returns the time from one number of milliseconds to another.
func between(from, to int64) time.Duration {
	return native.Duration(native.Between(from, to), time.Millisecond)
}
