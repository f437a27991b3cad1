package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/driver"
)

// maxDepth is what the JSON check of every supported database accepts: MariaDB's
// stops at 32 levels, and the object around the value is one of them.
const maxDepth = 30

// EncodeValue returns v as JSON. It refuses what some supported database or some
// reader of the JSON would not return unchanged. The error wraps [driver.ErrValue].
func EncodeValue(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, marshalError(err)
	}
	if !utf8.Valid(raw) || badEscape(raw) {
		return nil, fmt.Errorf("%w: a string in it is not valid UTF-8; encode binary data, for example as []byte", driver.ErrValue)
	}
	if deep(raw) {
		return nil, fmt.Errorf("%w: nested more than %d levels deep", driver.ErrValue, maxDepth)
	}
	return raw, nil
}

// DecodeValue is the reverse of EncodeValue. raw is valid JSON in UTF-8. With
// numbers set, a number that lands in an interface becomes a json.Number, because
// float64 loses digits past 2^53.
func DecodeValue(raw json.RawMessage, v any, numbers bool) error {
	if text, ok := v.(*string); ok && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		*text = string(raw[1 : len(raw)-1]) // what most values are, in a tenth of the time
		return nil
	}
	if !numbers {
		return json.Unmarshal(raw, v)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(v)
}

// Portable reports whether every supported database returns the member unchanged.
func (m *Member) Portable() bool { return !deep(m.Raw) && !badEscape(m.Raw) && !badEscape(m.Quoted) }

// marshalError leaves out what may quote the value, which may be a secret.
func marshalError(err error) error {
	var kind *json.UnsupportedTypeError
	var number *json.UnsupportedValueError
	var marshaler *json.MarshalerError
	switch {
	case errors.As(err, &marshaler):
		return fmt.Errorf("%w: the MarshalJSON or MarshalText of %v failed or returned no JSON", driver.ErrValue, marshaler.Type)
	case errors.As(err, &kind), errors.As(err, &number):
		return fmt.Errorf("%w: %w", driver.ErrValue, err)
	}
	return fmt.Errorf("%w: it does not encode as JSON", driver.ErrValue)
}

func deep(raw []byte) bool {
	// The count is an upper bound and cheaper than the walk.
	return bytes.Count(raw, []byte("["))+bytes.Count(raw, []byte("{")) > maxDepth && depth(raw) > maxDepth
}

// badEscape finds \ufffd, which encoding/json writes for bytes that are not UTF-8
// (a U+FFFD that was in the string stays a character), and half of a surrogate
// pair, which MySQL and MariaDB do not accept as JSON.
func badEscape(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		raw = raw[i:]
		if raw[1] != 'u' {
			raw = raw[2:]
			continue
		}
		r := escaped(raw)
		raw = raw[6:]
		if utf16.IsSurrogate(r) {
			if !bytes.HasPrefix(raw, []byte(`\u`)) || utf16.DecodeRune(r, escaped(raw)) == utf8.RuneError {
				return true
			}
			raw = raw[6:]
		} else if r == utf8.RuneError {
			return true
		}
	}
}

// escaped returns the code unit that raw begins with: \u and four hex digits.
func escaped(raw []byte) rune {
	n, _ := strconv.ParseUint(string(raw[2:6]), 16, 16) // valid JSON
	return rune(n)
}

func depth(raw []byte) int {
	deepest, now := 0, 0
	for p := 0; p < len(raw); p++ {
		switch raw[p] {
		case '"':
			for p++; raw[p] != '"'; p++ {
				if raw[p] == '\\' {
					p++
				}
			}
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		}
	}
	return deepest
}

// HoldsInterface reports whether decoding into t can put a number into an interface. It
// runs once for each key, so that reading a value need not reflect.
func HoldsInterface(t reflect.Type) bool { return holdsInterface(t, map[reflect.Type]bool{}) }

// holdsInterface looks at each type once, for there can be any number of ways to it.
func holdsInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array, reflect.Map, reflect.Pointer, reflect.Slice:
		return holdsInterface(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsInterface(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
