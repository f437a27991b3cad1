package express

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"github.com/sqlsessions/sessions/express/internal/row"
)

type kind uint8

const (
	undefined kind = iota
	null
	boolean
	number
	text
	date
	composite
)

// A value is what JavaScript has in an attribute: mostly a string, a number or
// a boolean, but any writer of the table may have put anything there.
type value struct {
	kind kind
	num  float64 // of a number; of a date, milliseconds since 1970, or NaN for an invalid date; of true 1
	text string  // of a text; of a composite, its JSON
}

func numberOf(n float64) value { return value{kind: number, num: n} }

func textOf(s string) value { return value{kind: text, text: s} }

func booleanOf(b bool) value {
	v := value{kind: boolean}
	if b {
		v.num = 1
	}
	return v
}

// parseValue is JSON.parse, but that half surrogates become U+FFFD, and that
// arrays and objects, which no attribute is made for, are kept as they stand.
func parseValue(raw json.RawMessage) (value, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return value{}, err
	}
	switch s := compact.String(); s[0] {
	case 'n':
		return value{kind: null}, nil
	case 't', 'f':
		return booleanOf(s[0] == 't'), nil
	case '"':
		v := value{kind: text}
		err := json.Unmarshal(raw, &v.text)
		return v, err
	case '[', '{':
		return value{kind: composite, text: s}, nil
	default:
		n, _ := strconv.ParseFloat(s, 64) // too large a number is infinite, as in JavaScript
		return numberOf(n), nil
	}
}

// truthy is whether JavaScript's if takes the value for true.
func (v value) truthy() bool {
	switch v.kind {
	case boolean:
		return v.num != 0
	case number:
		return v.num != 0 && !math.IsNaN(v.num)
	case text:
		return v.text != ""
	case date, composite:
		return true
	default:
		return false
	}
}

// string is the value as String of JavaScript has it, for scalars.
func (v value) string() string {
	if v.kind == text {
		return v.text
	}
	if v.kind == number && math.IsInf(v.num, 0) {
		return map[bool]string{false: "Infinity", true: "-Infinity"}[v.num < 0]
	}
	return string(v.append(nil))
}

// append appends the value as JSON.stringify writes it; v is not undefined.
func (v value) append(b []byte) []byte {
	switch v.kind {
	case boolean:
		return strconv.AppendBool(b, v.num != 0)
	case number:
		return appendNumber(b, v.num)
	case text:
		return append(b, row.Quote(v.text)...)
	case date:
		if math.IsNaN(v.num) {
			return append(b, "null"...)
		}
		return append(append(append(b, '"'), isoString(v.num)...), '"')
	case composite:
		return append(b, v.text...)
	default:
		return append(b, "null"...)
	}
}

func appendNumber(b []byte, n float64) []byte {
	if n == 0 {
		return append(b, '0') // and not -0
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return append(b, "null"...)
	}
	format := byte('f')
	if size := math.Abs(n); size < 1e-6 || size >= 1e21 {
		format = 'e'
	}
	b = strconv.AppendFloat(b, n, format, -1, 64)
	if end := len(b); format == 'e' && b[end-4] == 'e' && b[end-2] == '0' { // 1e-07
		b[end-2] = b[end-1]
		b = b[:end-1]
	}
	return b
}
