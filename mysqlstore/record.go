package mysqlstore

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// A rowID is an ID as the table has it.
type rowID native.Key

// A reader reads rows one after the other, and is allocated once for all of them.
// Nothing that a row can have in its columns is an error, so it harms no other row.
type reader struct {
	id                                         rowID
	verifier, previous                         binary
	user, label                                text
	data                                       []byte
	version, format, pending                   integer
	now, created, seen, authenticated, renewed integer // renewed: 0 if it has its first verifier
	left, limit                                integer
	dest                                       [16]any
	room                                       [2][sha256.Size]byte
}

func newReader() *reader {
	r := &reader{}
	r.verifier, r.previous = r.room[0][:0], r.room[1][:0]
	r.dest = [...]any{
		&r.id, &r.verifier, &r.previous, &r.user, &r.label, &r.data, &r.version, &r.format, &r.pending,
		&r.now, &r.created, &r.seen, &r.authenticated, &r.renewed, &r.left, &r.limit,
	}
	return r
}

// row returns the row with the strings of the caller that asked for it, if they are equal,
// or why it can't be read.
func (r *reader) row(asked *native.Lookup) (native.Row, error) {
	row := native.Row{
		Row: driver.Row{
			Ref:     asked.RefOf(native.Key(r.id), r.verifier),
			Version: driver.Version(r.version), User: string(r.user), Label: string(r.label), Data: r.data, Pending: r.pending != 0,
			CreatedAt: instant(r.created), LastSeenAt: instant(r.seen), AuthenticatedAt: instant(r.authenticated),
			ExpiresIn: duration(r.left), AbsoluteIn: duration(r.limit),
			LastSeenAge: duration(r.now - r.seen), VerifierAge: duration(r.now - cmp.Or(r.renewed, r.created)),
		},
		Before: driver.Verifier(r.previous),
	}
	if r.authenticated != 0 {
		row.AuthenticatedAge = duration(r.now - r.authenticated)
	}
	return row, native.CheckFormat(int64(r.format))
}

// listed returns the row without its data if it can't be read.
func (r *reader) listed() driver.Row {
	row, err := r.row(&native.Lookup{})
	if err != nil {
		row.Data = nil
	}
	return row.Row
}

// instant returns the time so many microseconds after the beginning of 1970, or the zero
// time for NULL.
func instant(n integer) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(n))
}

// duration returns so many microseconds, or the longest or the shortest there is.
func duration(n integer) time.Duration { return native.Duration(int64(n), time.Microsecond) }

// Columns are scanned into types of our own: for others database/sql uses reflection, or
// copies bytes that are only compared.
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

// known returns an error unless the column had the type or was NULL, which is "" or 0.
func known(src any, ok bool) error {
	if ok || src == nil {
		return nil
	}
	return fmt.Errorf("a column of unexpected type, %T", src)
}
