package pgstore

import (
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"
)

// Arrays as parameters of database/sql, in PostgreSQL's text form. A pgx pool takes
// the slices themselves: of these types it would make text and read it again.
type (
	byteas [][]byte // nil is NULL
	texts  []string
	int8s  []int64
)

var (
	_ driver.Valuer = byteas{}
	_ driver.Valuer = texts{}
	_ driver.Valuer = int8s{}
)

// Value implements [driver.Valuer].
func (a byteas) Value() (driver.Value, error) {
	return literal(len(a), func(b *strings.Builder, i int) {
		if a[i] == nil {
			b.WriteString("NULL")
			return
		}
		b.WriteString(`"\\x`)
		b.WriteString(hex.EncodeToString(a[i]))
		b.WriteByte('"')
	}), nil
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Value implements [driver.Valuer].
func (a texts) Value() (driver.Value, error) {
	return literal(len(a), func(b *strings.Builder, i int) {
		b.WriteByte('"')
		_, _ = quoted.WriteString(b, a[i])
		b.WriteByte('"')
	}), nil
}

// Value implements [driver.Valuer].
func (a int8s) Value() (driver.Value, error) {
	return literal(len(a), func(b *strings.Builder, i int) {
		b.WriteString(strconv.FormatInt(a[i], 10))
	}), nil
}

// plain undoes the types above.
func plain(args []any) []any {
	for i, a := range args {
		switch a := a.(type) {
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

// array returns an array of IDs. Text is what every driver can pass as uuid[].
func array[ID ~string](ids []ID) string {
	return literal(len(ids), func(b *strings.Builder, i int) { b.WriteString(string(ids[i])) })
}

func literal(n int, element func(*strings.Builder, int)) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		element(&b, i)
	}
	b.WriteByte('}')
	return b.String()
}
