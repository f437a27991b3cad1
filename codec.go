package sessions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/internal/jsontext"
)

// A document is the decoded top level of a session's JSON object, in stored
// order. Values stay raw, so that a key nobody touched keeps its bytes, number
// text included. A slice beats a map at the handful of keys a session has.
type document []member

type member struct {
	name   []byte // that of the cookie's attributes is cookieMember, whatever the JSON says
	quoted []byte // the name as it stands in the JSON text
	raw    json.RawMessage
}

// maxDepth keeps a value within what the JSON check of every supported
// database accepts: MariaDB's stops at 32 levels, and the object around the
// value is one of them.
const maxDepth = 30

// reserved holds for what this package keeps beside the values.
func (m *member) reserved() bool { return len(m.name) > 0 && m.name[0] == '$' }

func (d document) index(name string) int {
	for i := range d {
		if string(d[i].name) == name {
			return i
		}
	}
	return -1
}

func (d document) get(name string) (json.RawMessage, bool) {
	if i := d.index(name); i >= 0 {
		return d[i].raw, true
	}
	return nil, false
}

// with returns d with name set to raw, in place where the name exists. The
// caller owns d.
func (d document) with(name string, raw json.RawMessage) document {
	if i := d.index(name); i >= 0 {
		d[i].raw = raw
		return d
	}
	quoted, _ := json.Marshal(name) //nolint:errchkjson // a string always encodes
	return append(d, member{name: []byte(name), quoted: quoted, raw: raw})
}

func (d document) without(name string) document {
	if i := d.index(name); i >= 0 {
		return slices.Delete(d, i, i+1)
	}
	return d
}

// equal reports whether d and e hold the same bytes under the same names.
// Order does not count: deleting a key and setting it again changes nothing.
func (d document) equal(e document) bool {
	if len(d) != len(e) {
		return false
	}
	for i := range d {
		j := i
		if !bytes.Equal(e[j].name, d[i].name) {
			if j = e.index(string(d[i].name)); j < 0 {
				return false
			}
		}
		if !bytes.Equal(d[i].raw, e[j].raw) {
			return false
		}
	}
	return true
}

func (d document) encode() []byte {
	size := 2
	for i := range d {
		size += len(d[i].quoted) + len(d[i].raw) + 2
	}
	b := append(make([]byte, 0, size), '{')
	for i := range d {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, d[i].quoted...)
		b = append(b, ':')
		b = append(b, d[i].raw...)
	}
	return append(b, '}')
}

var errDamaged = errors.New("not a JSON object that this package can keep")

// cookieDocument is what a new session consists of.
func cookieDocument(name string, attributes json.RawMessage) document {
	if attributes == nil {
		return nil
	}
	quoted, _ := json.Marshal(name) //nolint:errchkjson // a string always encodes
	return document{{name: []byte(cookieMember), quoted: quoted, raw: attributes}}
}

// decodeDocument splits data, which must be one JSON object, into its members.
// That of the name given describes the cookie. The members alias data.
func decodeDocument(data []byte, cookie string) (document, error) {
	var room [8]jsontext.Member
	members, ok := jsontext.Object(data, room[:0])
	if !ok || !utf8.Valid(data) {
		return nil, errDamaged
	}
	doc := make(document, 0, len(members))
	for _, m := range members {
		name, err := unquote(m.Name)
		if string(name) == cookie {
			name = []byte(cookieMember)
		}
		if err != nil || doc.index(string(name)) >= 0 {
			return nil, errDamaged // readers disagree on which duplicate wins
		}
		doc = append(doc, member{name: name, quoted: m.Name, raw: m.Value})
	}
	return doc, nil
}

func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return []byte(s), err
}

// encodeValue turns v into JSON and refuses what some supported database or
// some reader of the JSON would not give back as it was.
func encodeValue(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, marshalError(err)
	}
	if !utf8.Valid(raw) || badEscape(raw) {
		return nil, fmt.Errorf("%w: a string in it is not valid UTF-8; encode binary data, for example as []byte", ErrValue)
	}
	if bytes.Count(raw, []byte("["))+bytes.Count(raw, []byte("{")) > maxDepth && depth(raw) > maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d levels deep", ErrValue, maxDepth)
	}
	return raw, nil
}

// marshalError leaves out what may quote the value, which may be a secret.
func marshalError(err error) error {
	var kind *json.UnsupportedTypeError
	var number *json.UnsupportedValueError
	var marshaler *json.MarshalerError
	switch {
	case errors.As(err, &marshaler):
		return fmt.Errorf("%w: the MarshalJSON or MarshalText of %v failed or returned no JSON", ErrValue, marshaler.Type)
	case errors.As(err, &kind), errors.As(err, &number):
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	return fmt.Errorf("%w: it does not encode as JSON", ErrValue)
}

// badEscape finds \ufffd, which encoding/json writes for bytes that are not
// UTF-8 (a U+FFFD that was in the string stays a character), and half of a
// surrogate pair, which MySQL and MariaDB do not take for JSON.
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

// decodeValue is the reverse of encodeValue. raw is valid JSON in UTF-8. A number that lands in an
// interface becomes a json.Number, because float64 loses digits past 2^53.
func decodeValue(raw json.RawMessage, v any, numbers bool) error {
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
