package sqlitestore

import (
	"database/sql"
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// scan reads $COLUMNS. The row has the strings of the caller that asked for it, if they
// are equal. If it has a later format, it comes with an error that wraps
// [driver.ErrSchema].
func scan(asked *native.Lookup, from func(dest ...any) error) (row driver.Row, err error) {
	var id, verifier []byte
	var format, created, idle, absolute int64
	var authenticated sql.NullInt64
	err = from(&id, &verifier, &row.Version, &format, &row.User, &row.Label, &row.Data, &created, &authenticated, &idle, &absolute)
	if err != nil {
		return row, err
	}
	var key native.Key
	copy(key[:], id)
	row.Ref = asked.RefOf(key, verifier)
	row.CreatedAt = time.UnixMilli(created)
	if authenticated.Valid {
		row.AuthenticatedAt = time.UnixMilli(authenticated.Int64)
	}
	row.ExpiresIn, row.AbsoluteIn = duration(idle), duration(absolute)
	return row, native.CheckFormat(format)
}

// duration returns so many milliseconds, or the longest duration there is.
func duration(ms int64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
