package pgstore

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// columns are those of a record. They have no expressions, and differences between times
// are taken here, because setting up expressions costs the database more than finding the
// row.
const columns = `id, version, created_at, absolute_expires_at, expires_at, seen_at, authenticated_at, verifier_at, previous_until,
	format, pending, verifier, previous_verifier, user_id, label, data, now()`

// The places of the columns.
const (
	atID = iota
	atVersion
	atCreated
	atLimit
	atExpires
	atSeen
	atAuthenticated
	atVerifierAt
	atPreviousUntil
	atFormat
	atPending
	atVerifier
	atPrevious
	atUser
	atLabel
	atData
	atNow
)

// forms are what the columns look like in PostgreSQL's binary format.
var forms = [...]struct {
	oid      uint32
	size     int // 0 for text, which is the same in both formats, and -1 for any bytes
	nullable bool
}{
	atID:            {pgtype.UUIDOID, uuid.Size, false},
	atVersion:       {pgtype.Int8OID, 8, false},
	atCreated:       {pgtype.TimestamptzOID, 8, false},
	atLimit:         {pgtype.TimestamptzOID, 8, false},
	atExpires:       {pgtype.TimestamptzOID, 8, false},
	atSeen:          {pgtype.TimestamptzOID, 8, false},
	atAuthenticated: {pgtype.TimestamptzOID, 8, true},
	atVerifierAt:    {pgtype.TimestamptzOID, 8, true},
	atPreviousUntil: {pgtype.TimestamptzOID, 8, true},
	atFormat:        {pgtype.Int2OID, 2, false},
	atPending:       {pgtype.BoolOID, 1, false},
	atVerifier:      {pgtype.ByteaOID, -1, true},
	atPrevious:      {pgtype.ByteaOID, -1, true},
	atUser:          {pgtype.TextOID, 0, true},
	atLabel:         {pgtype.TextOID, 0, true},
	atData:          {pgtype.JSONOID, 0, false},
	atNow:           {pgtype.TimestamptzOID, 8, false},
}

// A record is a row as the database has it.
type record struct {
	native.Row // without its Ref
	id         [uuid.Size]byte
	verifier   []byte // may be the driver's, until the next row
	format     int64
}

// named returns the row with the strings of the caller that asked for it, if they are
// equal.
func (r *record) named(asked *native.Lookup) native.Row {
	row := r.Row
	row.Ref = asked.RefOf(r.id, r.verifier)
	return row
}

// scan reads columns with any driver.
func scan(from row) (r record, err error) {
	var v struct { // one allocation
		record
		id                                     string
		user, label                            sql.NullString
		previous                               []byte
		created, seen, authenticated           instant
		expires, limit, renewed, accepted, now instant
	}
	err = from.Scan(&v.id, &v.Version, &v.created, &v.limit, &v.expires, &v.seen, &v.authenticated, &v.renewed, &v.accepted,
		&v.format, &v.Pending, &v.verifier, &v.previous, &v.user, &v.label, &v.Data, &v.now)
	if err != nil {
		return r, err
	}
	r = v.record
	r.id, _ = uuid.Parse(v.id)
	r.User, r.Label = v.user.String, v.label.String
	r.CreatedAt, r.LastSeenAt, r.AuthenticatedAt = v.created.Local(), v.seen.Local(), v.authenticated.Local()
	r.ExpiresIn, r.AbsoluteIn, r.LastSeenAge = v.expires.Sub(v.now.Time), v.limit.Sub(v.now.Time), v.now.Sub(v.seen.Time)
	r.VerifierAge = v.now.Sub(v.created.Time)
	if !v.authenticated.IsZero() {
		r.AuthenticatedAge = v.now.Sub(v.authenticated.Time)
	}
	if !v.renewed.IsZero() {
		r.VerifierAge = v.now.Sub(v.renewed.Time)
	}
	if v.accepted.After(v.now.Time) {
		r.Before = driver.Verifier(v.previous)
	}
	return r, nil
}

// An instant is a timestamptz, infinite ones included. NULL is the zero time.
type instant struct{ time.Time }

// distant stands for infinity. Differences to it are the longest Duration there is.
var distant = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Scan implements [database/sql.Scanner].
func (t *instant) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		t.Time = time.Time{}
	case time.Time:
		t.Time = v
	case []byte:
		return t.Scan(string(v))
	case string:
		switch v {
		case "infinity":
			t.Time = distant
		case "-infinity":
			t.Time = time.Time{}
		default:
			return fmt.Errorf("%.40q is not a time", v)
		}
	default:
		return fmt.Errorf("%T is not a time", value)
	}
	return nil
}

// decode reads columns in PostgreSQL's binary format, as pgx gets them unless its mode
// knows no types. Scan takes several times as long. It returns false for anything
// unusual.
func decode(fields []pgconn.FieldDescription, raw [][]byte) (r record, ok bool) {
	if len(fields) != len(forms) || len(raw) != len(forms) {
		return r, false
	}
	for i := range forms {
		form, field := &forms[i], &fields[i]
		switch {
		case field.DataTypeOID != form.oid,
			form.size != 0 && field.Format != pgx.BinaryFormatCode,
			raw[i] == nil && !form.nullable,
			raw[i] != nil && form.size > 0 && len(raw[i]) != form.size:
			return r, false
		}
	}
	r.id, r.verifier = [uuid.Size]byte(raw[atID]), raw[atVerifier]
	r.Version = driver.Version(number(raw[atVersion]))
	r.User, r.Label = string(raw[atUser]), string(raw[atLabel])
	r.Data = append([]byte(nil), raw[atData]...)
	r.format = int64(int16(binary.BigEndian.Uint16(raw[atFormat]))) //nolint:gosec // two's complement, as sent
	r.Pending = raw[atPending][0] != 0
	now, created, seen := number(raw[atNow]), number(raw[atCreated]), number(raw[atSeen])
	r.AbsoluteIn, r.ExpiresIn = between(now, number(raw[atLimit])), between(now, number(raw[atExpires]))
	r.CreatedAt, r.VerifierAge = timeOf(created), between(created, now)
	r.LastSeenAt, r.LastSeenAge = timeOf(seen), between(seen, now)
	if at := raw[atAuthenticated]; at != nil {
		r.AuthenticatedAt, r.AuthenticatedAge = timeOf(number(at)), between(number(at), now)
	}
	if at := raw[atVerifierAt]; at != nil {
		r.VerifierAge = between(number(at), now)
	}
	if until := raw[atPreviousUntil]; until != nil && number(until) > now {
		r.Before = driver.Verifier(raw[atPrevious])
	}
	return r, true
}

func number(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) } //nolint:gosec // two's complement, as sent

// timeOf returns the time so many microseconds after the beginning of 2000.
func timeOf(n int64) time.Time {
	switch n {
	case math.MaxInt64:
		return distant
	case math.MinInt64:
		return time.Time{}
	}
	const second, epoch = 1_000_000, 946_684_800
	return time.Unix(epoch+n/second, n%second*1000)
}

// between returns the time from one such time to another.
func between(from, to int64) time.Duration {
	return native.Duration(native.Between(from, to), time.Microsecond)
}
