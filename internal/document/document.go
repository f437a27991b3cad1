// Package document reads and writes the JSON object that a session is stored
// as, and the values in it.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/internal/jsontext"
)

// A Document is the top level of a session's JSON object, in stored order. Values
// stay raw, so that an untouched key keeps its bytes, number text included. A
// slice beats a map at the handful of keys that a session has.
type Document []Member

// A Member is one value and its name. They may alias the text that was decoded.
type Member struct {
	Name   []byte // Cookie for the cookie's attributes, whatever the JSON calls them
	Quoted []byte // the name as it stands in the JSON
	Raw    json.RawMessage
}

// Cookie names the member that holds a session's own cookie attributes. Names
// that begin with $ can't be keys.
const Cookie = "$cookie"

// Reserved reports whether the member is kept beside the application's values.
func (m *Member) Reserved() bool { return len(m.Name) > 0 && m.Name[0] == '$' }

// errDamaged leaves out the text, which may be secret.
var errDamaged = errors.New("not a JSON object that this package can keep")

// New returns the document of a new session. In the stored JSON the cookie's
// attributes, if there are any, have the given name.
func New(cookie string, attributes json.RawMessage) Document {
	if attributes == nil {
		return nil
	}
	return Document{{Name: []byte(Cookie), Quoted: quote(cookie), Raw: attributes}}
}

// Decode splits data, which must be one JSON object. The member with the name
// that cookie gives becomes Cookie.
func Decode(data []byte, cookie string) (Document, error) {
	var room [8]jsontext.Member
	members, ok := jsontext.Object(data, room[:0])
	if !ok || !utf8.Valid(data) {
		return nil, errDamaged
	}
	doc := make(Document, 0, len(members))
	for _, m := range members {
		name, err := unquote(m.Name)
		if string(name) == cookie {
			name = []byte(Cookie)
		}
		if err != nil || doc.index(string(name)) >= 0 {
			return nil, errDamaged // readers disagree on which duplicate wins
		}
		doc = append(doc, Member{Name: name, Quoted: m.Name, Raw: m.Value})
	}
	return doc, nil
}

// Encode returns the JSON object.
func (d Document) Encode() []byte {
	size := 2
	for i := range d {
		size += len(d[i].Quoted) + len(d[i].Raw) + 2
	}
	b := append(make([]byte, 0, size), '{')
	for i := range d {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, d[i].Quoted...)
		b = append(b, ':')
		b = append(b, d[i].Raw...)
	}
	return append(b, '}')
}

func (d Document) index(name string) int {
	for i := range d {
		if string(d[i].Name) == name {
			return i
		}
	}
	return -1
}

// Get returns the value with this name, and nil if there is none.
func (d Document) Get(name string) json.RawMessage {
	if i := d.index(name); i >= 0 {
		return d[i].Raw
	}
	return nil
}

// With returns d with name set to raw, in place if the name exists. The caller
// owns d.
func (d Document) With(name string, raw json.RawMessage) Document {
	if i := d.index(name); i >= 0 {
		d[i].Raw = raw
		return d
	}
	return append(d, Member{Name: []byte(name), Quoted: quote(name), Raw: raw})
}

// Without returns d without that name. The caller owns d.
func (d Document) Without(name string) Document {
	if i := d.index(name); i >= 0 {
		return slices.Delete(d, i, i+1)
	}
	return d
}

// WithoutValues returns d with nothing but its reserved members. The caller owns d.
func (d Document) WithoutValues() Document {
	return slices.DeleteFunc(d, func(m Member) bool { return !m.Reserved() })
}

// Names returns the names of the application's values.
func (d Document) Names() (names []string) {
	for i := range d {
		if !d[i].Reserved() {
			names = append(names, string(d[i].Name))
		}
	}
	return names
}

// Empty reports whether the application keeps nothing in d.
func (d Document) Empty() bool {
	for i := range d {
		if !d[i].Reserved() {
			return false
		}
	}
	return true
}

// Equal reports whether d and e hold the same bytes under the same names. Order
// does not count: deleting a key and setting it again changes nothing.
func (d Document) Equal(e Document) bool {
	if len(d) != len(e) {
		return false
	}
	for i := range d {
		j := i
		if !bytes.Equal(e[j].Name, d[i].Name) {
			if j = e.index(string(d[i].Name)); j < 0 {
				return false
			}
		}
		if !bytes.Equal(d[i].Raw, e[j].Raw) {
			return false
		}
	}
	return true
}

func quote(name string) []byte {
	quoted, _ := json.Marshal(name) //nolint:errchkjson // a string always encodes
	return quoted
}

func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return []byte(s), err
}
