package mysqlstore

import (
	"crypto/sha256"
	"fmt"
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A rowID is what the table has in place of an ID.
type rowID [uuid.Size]byte

// parse returns false for an ID that no row can have.
func parse(id driver.ID) (rowID, bool) {
	b, ok := uuid.Parse(string(id))
	return b, ok
}

// bytesOf returns a copy, so that what the ID is part of can stay on the stack.
func bytesOf(id rowID) []byte { return id[:] }

// named is parse for a row that also has a verifier.
func named(ref driver.Ref) (rowID, bool) {
	id, ok := parse(ref.ID)
	return id, ok && len(ref.Verifier) == sha256.Size
}

// nullable is NULL for "". NULLIF would not do: under many collations " " is equal to "".
func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// idle is how many microseconds a row lives unless it is used.
func idle(life driver.Life) int64 {
	if life.Absolute > 0 {
		return min(life.Idle, life.Absolute).Microseconds()
	}
	return life.Idle.Microseconds()
}

// restart is NULL where the absolute expiry stays.
func restart(life driver.Life) any {
	if life.Absolute == 0 {
		return nil
	}
	return life.Absolute.Microseconds()
}

// A reader reads rows one after the other, for all of which it is allocated once.
// Nothing that a row can have in its columns is an error, so it harms no other row.
type reader struct {
	id                     rowID
	verifier               binary
	user, label            text
	data                   []byte
	version, format        integer
	created, authenticated integer
	left, limit            integer
	dest                   [11]any
	room                   [sha256.Size]byte
}

func newReader() *reader {
	r := &reader{}
	r.verifier = r.room[:0]
	r.dest = [...]any{
		&r.id, &r.verifier, &r.user, &r.label, &r.data, &r.version, &r.format,
		&r.created, &r.authenticated, &r.left, &r.limit,
	}
	return r
}

// proved returns the row if the client's proof is that of the row. It has the
// client's strings, which are equal and not made again.
func (r *reader) proved(ref driver.Ref) (driver.Row, error) {
	if err := native.CheckFormat(int64(r.format)); err != nil {
		return driver.Row{}, fmt.Errorf("mysqlstore: load: %w", err)
	}
	if !native.Proves(ref.Verifier, driver.Verifier(r.verifier)) {
		return driver.Row{}, fmt.Errorf("mysqlstore: load: %w", driver.ErrNotFound)
	}
	return r.row(ref), nil
}

// listed returns the row without a look at who asks.
func (r *reader) listed() driver.Row {
	row := r.row(driver.Ref{ID: driver.ID(uuid.Format(r.id)), Verifier: driver.Verifier(r.verifier)})
	if native.CheckFormat(int64(r.format)) != nil {
		row.Data = nil
	}
	return row
}

func (r *reader) row(ref driver.Ref) driver.Row {
	row := driver.Row{
		Ref: ref, Version: driver.Version(r.version), User: string(r.user), Label: string(r.label), Data: r.data,
		CreatedAt: time.UnixMicro(int64(r.created)),
		ExpiresIn: duration(r.left), AbsoluteIn: duration(r.limit),
	}
	if r.authenticated != 0 {
		row.AuthenticatedAt = time.UnixMicro(int64(r.authenticated))
	}
	return row
}

// duration returns so many microseconds, or the longest there is.
func duration(n integer) time.Duration {
	return time.Duration(min(n, math.MaxInt64/1000)) * time.Microsecond
}

// Columns are scanned into types of our own: into others database/sql goes by
// reflection, or copies bytes that are only compared.
type (
	binary  []byte
	text    string
	integer int64
)

func (id *rowID) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(id) {
		return fmt.Errorf("an ID of type %T, not BINARY(%d)", src, len(id))
	}
	copy(id[:], b)
	return nil
}

func (b *binary) Scan(src any) error {
	from, ok := src.([]byte)
	*b = append((*b)[:0], from...)
	return known(src, ok)
}

func (t *text) Scan(src any) error {
	from, ok := src.([]byte)
	*t = text(from)
	return known(src, ok)
}

func (n *integer) Scan(src any) error {
	from, ok := src.(int64)
	*n = integer(from)
	return known(src, ok)
}

// known allows NULL, which is "" or 0.
func known(src any, ok bool) error {
	if ok || src == nil {
		return nil
	}
	return fmt.Errorf("a column of unexpected type, %T", src)
}
