package pgstore

import (
	"database/sql"
	"encoding/binary"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlsessions/sessions"
)

// columns are those of a record. They are bare, and the differences taken here, of what the
// database says: to set up expressions costs it more than to find the row.
const columns = `key, handle, user_id, data, version, created_at, expires_at, absolute_expires_at, now()`

// scan reads columns with any driver.
func scan(from row) (r sessions.Record, err error) {
	var key []byte
	var user sql.NullString
	var created, expires, limit, now time.Time
	err = from.Scan(&key, &r.Handle, &user, &r.Data, &r.Version, &created, &expires, &limit, &now)
	r.Key, r.User = sessions.RowKey(key), user.String
	r.CreatedAt = created.Local()
	r.ExpiresIn, r.AbsoluteIn = expires.Sub(now), limit.Sub(now)
	return r, err
}

// types are those of columns.
var types = [...]uint32{
	pgtype.ByteaOID, pgtype.TextOID, pgtype.TextOID, pgtype.JSONOID, pgtype.Int8OID,
	pgtype.TimestamptzOID, pgtype.TimestamptzOID, pgtype.TimestamptzOID, pgtype.TimestamptzOID,
}

// decode reads columns in PostgreSQL's binary form, as pgx gets them but in its modes that know no
// types. Scan takes several times as long. It is false for anything unusual.
func decode(fields []pgconn.FieldDescription, raw [][]byte) (r sessions.Record, ok bool) {
	if len(fields) != len(types) || len(raw) != len(types) {
		return r, false
	}
	var numbers [len(types)]int64
	for i, f := range fields {
		number := types[i] == pgtype.Int8OID || types[i] == pgtype.TimestamptzOID
		switch {
		case f.DataTypeOID != types[i], raw[i] == nil && i != 2,
			(number || types[i] == pgtype.ByteaOID) && f.Format != pgx.BinaryFormatCode:
			return r, false
		case number:
			if len(raw[i]) != 8 {
				return r, false
			}
			numbers[i] = int64(binary.BigEndian.Uint64(raw[i])) //nolint:gosec // two's complement, as sent
			if numbers[i] == math.MaxInt64 || numbers[i] == math.MinInt64 {
				return r, false // infinity
			}
		}
	}
	r.Key, r.Handle, r.User = sessions.RowKey(raw[0]), string(raw[1]), string(raw[2])
	r.Data = append([]byte(nil), raw[3]...)
	r.Version = sessions.Version(numbers[4])
	now := numbers[8]
	r.CreatedAt = time.UnixMicro(numbers[5] + epoch)
	r.ExpiresIn = time.Duration(numbers[6]-now) * time.Microsecond
	r.AbsoluteIn = time.Duration(numbers[7]-now) * time.Microsecond
	return r, true
}

// epoch is PostgreSQL's, the beginning of 2000, in microseconds.
const epoch = 946_684_800_000_000
