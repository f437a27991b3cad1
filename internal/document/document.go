// Package document reads and writes the JSON object that a session is stored
// as, and the values in it.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/internal/jsontext"
)

// A Document is the top level of a session's JSON object, in stored order. Values
// stay raw, so that an untouched key keeps its bytes, number text included. A
// slice beats a map at the handful of keys that a session has; from a few more on there
// is a map beside it, so that a client which chooses keys can't make each cost more.
type Document struct {
	members []Member       // those without Quoted were removed
	places  map[string]int // of the members, by name; nil while they are few
}

// few is how many members are looked through one by one.
const few = 16

// A Member is one value and its name. They may alias the text that was decoded.
type Member struct {
	Name   []byte // Cookie for the cookie's attributes, whatever the JSON calls them
	Quoted []byte // the name as it stands in the JSON
	Raw    json.RawMessage
}

// Cookie names the member that holds a session's own cookie attributes. Names
// that begin with $ can't be keys.
const Cookie = "$cookie"

// foreign names a member that is called Cookie in JSON where the attributes have
// another name. No name that is read from JSON is equal, because it is not UTF-8.
const foreign = "$\xff" + Cookie

// Text returns the name that the JSON calls it.
func (m *Member) Text() string {
	name, _ := unquote(m.Quoted)
	return string(name)
}

// Reserved reports whether the member is kept beside the application's values.
func (m *Member) Reserved() bool { return len(m.Name) > 0 && m.Name[0] == '$' }

// errDamaged leaves out the text, which may be secret.
var errDamaged = errors.New("not a JSON object that this package can keep")

// New returns the document of a new session. In the stored JSON the cookie's
// attributes, if there are any, have the given name.
func New(cookie string, attributes json.RawMessage) Document {
	if attributes == nil {
		return Document{}
	}
	return Document{members: []Member{{Name: []byte(Cookie), Quoted: quote(cookie), Raw: attributes}}}
}

// Decode splits data, which must be one JSON object. The member with the name
// that cookie gives becomes Cookie.
func Decode(data []byte, cookie string) (Document, error) {
	var room [8]jsontext.Member
	members, ok := jsontext.Object(data, room[:0])
	if !ok || !utf8.Valid(data) {
		return Document{}, errDamaged
	}
	doc := Document{members: make([]Member, 0, len(members))}
	if len(members) > few {
		doc.places = make(map[string]int, len(members))
	}
	for _, m := range members {
		name, err := unquote(m.Name)
		switch string(name) {
		case cookie:
			name = []byte(Cookie)
		case Cookie:
			name = []byte(foreign)
		}
		if err != nil || doc.index(string(name)) >= 0 {
			return Document{}, errDamaged // readers disagree on which duplicate wins
		}
		doc = doc.Append(Member{Name: name, Quoted: m.Name, Raw: m.Value})
	}
	return doc, nil
}

// Clone returns a copy that the caller owns.
func (d Document) Clone() Document {
	return Document{slices.Clone(d.members), maps.Clone(d.places)}
}

// All returns the members in their order.
func (d Document) All() iter.Seq[*Member] {
	return func(yield func(*Member) bool) {
		for i := range d.members {
			if d.members[i].Quoted != nil && !yield(&d.members[i]) {
				return
			}
		}
	}
}

// Len returns how many members there are.
func (d Document) Len() int {
	if d.places != nil {
		return len(d.places)
	}
	return len(d.members)
}

// Encode returns the JSON object.
func (d Document) Encode() []byte {
	size := 2
	for m := range d.All() {
		size += len(m.Quoted) + len(m.Raw) + 2
	}
	b := append(make([]byte, 0, size), '{')
	for m := range d.All() {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, m.Quoted...)
		b = append(b, ':')
		b = append(b, m.Raw...)
	}
	return append(b, '}')
}

func (d Document) index(name string) int {
	if d.places != nil {
		if i, ok := d.places[name]; ok {
			return i
		}
		return -1
	}
	for i := range d.members {
		if string(d.members[i].Name) == name {
			return i
		}
	}
	return -1
}

// Get returns the value with this name, and nil if there is none.
func (d Document) Get(name string) json.RawMessage {
	if i := d.index(name); i >= 0 {
		return d.members[i].Raw
	}
	return nil
}

// With returns d with name set to raw, in place if the name exists. The caller
// owns d.
func (d Document) With(name string, raw json.RawMessage) Document {
	if i := d.index(name); i >= 0 {
		d.members[i].Raw = raw
		return d
	}
	return d.Append(Member{Name: []byte(name), Quoted: quote(name), Raw: raw})
}

// Append returns d with a member that it does not have. The caller owns d.
func (d Document) Append(m Member) Document {
	d.members = append(d.members, m)
	switch {
	case d.places != nil:
		d.places[string(m.Name)] = len(d.members) - 1
	case len(d.members) > few:
		d.places = make(map[string]int, 2*few)
		for i := range d.members {
			d.places[string(d.members[i].Name)] = i
		}
	}
	return d
}

// Without returns d without that name. The caller owns d.
func (d Document) Without(name string) Document {
	i := d.index(name)
	switch {
	case i < 0:
	case d.places == nil:
		d.members = slices.Delete(d.members, i, i+1)
	default:
		delete(d.places, name)
		if d.members[i] = (Member{}); 2*len(d.places) < len(d.members) {
			return d.only(func(*Member) bool { return true })
		}
	}
	return d
}

// WithoutValues returns d with nothing but its reserved members. The caller owns d.
func (d Document) WithoutValues() Document { return d.only((*Member).Reserved) }

// only returns a copy with the members for which keep returns true.
func (d Document) only(keep func(*Member) bool) (kept Document) {
	for m := range d.All() {
		if keep(m) {
			kept = kept.Append(*m)
		}
	}
	return kept
}

// Names returns the names of the application's values.
func (d Document) Names() (names []string) {
	for m := range d.All() {
		if !m.Reserved() {
			names = append(names, string(m.Name))
		}
	}
	return names
}

// Empty reports whether the application keeps nothing in d.
func (d Document) Empty() bool {
	for m := range d.All() {
		if !m.Reserved() {
			return false
		}
	}
	return true
}

// Equal reports whether d and e hold the same bytes under the same names. Order
// does not count: deleting a key and setting it again changes nothing.
func (d Document) Equal(e Document) bool {
	if d.Len() != e.Len() {
		return false
	}
	for i := range d.members {
		m, j := &d.members[i], i
		if m.Quoted == nil {
			continue
		}
		if j >= len(e.members) || e.members[j].Quoted == nil || !bytes.Equal(e.members[j].Name, m.Name) {
			if j = e.index(string(m.Name)); j < 0 {
				return false
			}
		}
		if !bytes.Equal(m.Raw, e.members[j].Raw) {
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
