package pgstore

import (
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlsessions/sessions/internal/uuid"
)

// Arrays as parameters of database/sql, in PostgreSQL's text format. A pgx pool gets the
// slices themselves: these types, which are [driver.Valuer], it would turn into text and
// parse again. Nil is NULL.
type (
	uuids  []pgtype.UUID
	byteas [][]byte
	texts  []string
	int8s  []int64
)

// uuidsOf returns IDs, which must be valid, as an array.
func uuidsOf[ID ~string](ids []ID) uuids {
	a := make(uuids, len(ids))
	for i, id := range ids {
		a[i].Bytes, a[i].Valid = uuid.Parse(string(id))
	}
	return a
}

func (a uuids) Value() (driver.Value, error) {
	return literal(a, func(b *strings.Builder, id pgtype.UUID) { b.WriteString(uuid.Format(id.Bytes)) }), nil
}

func (a byteas) Value() (driver.Value, error) {
	return literal(a, func(b *strings.Builder, v []byte) {
		b.WriteString(`"\\x`)
		b.WriteString(hex.EncodeToString(v))
		b.WriteByte('"')
	}), nil
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func (a texts) Value() (driver.Value, error) {
	return literal(a, func(b *strings.Builder, v string) {
		b.WriteByte('"')
		_, _ = quoted.WriteString(b, v)
		b.WriteByte('"')
	}), nil
}

func (a int8s) Value() (driver.Value, error) {
	return literal(a, func(b *strings.Builder, v int64) { b.WriteString(strconv.FormatInt(v, 10)) }), nil
}

// plain returns the arguments with plain slices for the types above.
func plain(args []any) []any {
	for i, a := range args {
		switch a := a.(type) {
		case uuids:
			args[i] = []pgtype.UUID(a)
		case byteas:
			args[i] = [][]byte(a)
		case texts:
			args[i] = []string(a)
		case int8s:
			args[i] = []int64(a)
		}
	}
	return args
}

func literal[E any](a []E, element func(*strings.Builder, E)) driver.Value {
	if a == nil {
		return nil
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range a {
		if i > 0 {
			b.WriteByte(',')
		}
		element(&b, e)
	}
	b.WriteByte('}')
	return b.String()
}

// null returns NULL for the empty string.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// A duration is a parameter that nearly all calls have in common. To make it for each
// would be an allocation.
type duration struct{ last atomic.Pointer[boxed] }

type boxed struct {
	of    time.Duration
	param any
}

func (d *duration) param(of time.Duration) any {
	last := d.last.Load()
	if last == nil || last.of != of {
		last = &boxed{of, of.Microseconds()}
		d.last.Store(last)
	}
	return last.param
}
