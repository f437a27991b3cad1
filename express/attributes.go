package express

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/express/internal/row"
)

// errStored: express-session would fail on every request with that session.
var errStored = errors.New("express: the session's cookie attributes are not usable")

// attributes are one session's own cookie attributes, the Cookie object of
// express-session. They are stored with the session and outlive a change of the
// configuration. Attributes may be undefined, which is not the same as null, and are kept
// as they were written: sameSite is "LAX" if it was written so.
type attributes struct {
	originalMaxAge value // milliseconds from a touch to the expiry; null, false, "" or undefined: until the browser is closed
	expires        value // a date, or null and the like; a number until a touch replaces what another program stored

	httpOnly, path, domain, sameSite, secure, priority, partitioned value
}

// newAttributes returns what new Cookie() of express-session has.
func newAttributes() attributes {
	return attributes{
		originalMaxAge: value{kind: null}, expires: value{kind: null},
		httpOnly: booleanOf(true), path: textOf("/"),
	}
}

// parseAttributes reads the "cookie" member of a stored session, as createSession of
// express-session's Store does. What it refuses is what fails there, or at the
// touch that every request ends with.
func parseAttributes(raw json.RawMessage, now time.Time) (attributes, error) {
	a := newAttributes()
	list, err := members(raw)
	if err != nil {
		return attributes{}, fmt.Errorf("%w: %w", errStored, err)
	}
	var expires, original value
	for _, m := range list {
		switch m.name { // Cookie copies whatever is there, through its setters
		case "originalMaxAge":
			original = m.value
		case "expires":
			expires, a.expires = m.value, m.value
		case "_expires": // the field behind expires
			a.expires = m.value
		case "maxAge":
			if err := a.setMaxAge(m.value, now); err != nil {
				return attributes{}, err
			}
		default:
			if field := a.field(m.name); field != nil {
				*field = m.value
			}
		}
	}
	if expires.kind == text {
		a.expires = parseDate(expires.text, time.Local) // without a zone it is a local time
	}
	a.originalMaxAge = original
	return a, checkAge(original)
}

// names are those of the fields, in the order in which JSON.stringify writes a Cookie.
var names = []string{"originalMaxAge", "partitioned", "priority", "expires", "secure", "httpOnly", "domain", "path", "sameSite"}

// field returns nil if there is none of the name.
func (a *attributes) field(name string) *value {
	fields := []*value{&a.originalMaxAge, &a.partitioned, &a.priority, &a.expires, &a.secure, &a.httpOnly, &a.domain, &a.path, &a.sameSite}
	if at := slices.Index(names, name); at >= 0 {
		return fields[at]
	}
	return nil
}

// encode returns the attributes as JSON.stringify does, without those that are undefined.
func (a *attributes) encode() []byte {
	b := []byte{'{'}
	for _, name := range names {
		v := a.field(name)
		if v.kind == undefined {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, row.Quote(name)...), ':'), v.append(nil)...)
	}
	return append(b, '}')
}

// setMaxAge sets the expiry ms milliseconds from now; null and the like make it a cookie for
// as long as the browser runs. It is what assigning to cookie.maxAge does.
func (a *attributes) setMaxAge(ms value, now time.Time) error {
	if err := checkAge(ms); err != nil {
		return err
	}
	a.startAge(ms, now)
	return nil
}

func checkAge(ms value) error {
	if ms.truthy() && ms.kind != number {
		return fmt.Errorf("%w: maxAge must be a number", errStored)
	}
	return nil
}

func (a *attributes) startAge(ms value, now time.Time) {
	if ms.kind == number {
		ms = dateOf(float64(now.UnixMilli()) + ms.num)
	}
	a.setExpires(ms, now)
}

// setExpires sets the expiry, a date or null and the like, and the original
// maximum age to what remains: from the next touch on it slides. It is what assigning to
// cookie.expires does.
func (a *attributes) setExpires(when value, now time.Time) {
	a.expires, a.originalMaxAge = when, when
	if when.kind == date {
		a.originalMaxAge = numberOf(when.num - float64(now.UnixMilli()))
	}
}

// touch moves the expiry to the original maximum age from now.
func (a *attributes) touch(now time.Time) { a.startAge(a.originalMaxAge, now) }

// maxAge returns the milliseconds that remain, less than 0 for an expiry in
// the past; ok is false when the cookie has no expiry. A number that another
// writer stored for the expiry comes back as it is, as it does from cookie.maxAge.
func (a *attributes) maxAge(now time.Time) (ms float64, ok bool) {
	switch a.expires.kind {
	case date:
		return a.expires.num - float64(now.UnixMilli()), true
	case number:
		return a.expires.num, true
	default:
		return 0, false
	}
}

// resolve replaces "auto" in secure and sameSite by what it means on a
// connection that is secure or not. It is done when a session begins; the answer is stored.
func (a *attributes) resolve(secure bool) {
	if a.secure == textOf("auto") {
		a.secure = booleanOf(secure)
	}
	if a.sameSite == textOf("auto") {
		a.sameSite = textOf("lax")
		if secure {
			a.sameSite = textOf("none")
		}
	}
}

type member struct {
	name  string
	value value
}

// members returns what new Cookie(raw) would copy: the members of an object in
// JavaScript's order, where a second member of a name replaces the first one's
// value. Arrays have none that matter, and false, 0 and "" stand for no options.
func members(raw json.RawMessage) ([]member, error) {
	if len(raw) == 0 {
		return nil, errors.New("there are none")
	}
	whole, err := parseValue(raw)
	if err != nil {
		return nil, err
	}
	if whole.kind != composite {
		if whole.kind == null || whole.truthy() {
			return nil, errors.New("not an object")
		}
		return nil, nil
	}
	if whole.text[0] == '[' {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(whole.text))
	_, _ = dec.Token() // the brace; parseValue has seen that the JSON is good
	var list []member
	index := map[string]int{}
	for dec.More() {
		name, _ := dec.Token()
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		v, err := parseValue(raw)
		if err != nil {
			return nil, err
		}
		key := fmt.Sprint(name)
		if at, ok := index[key]; ok {
			list[at].value = v
			continue
		}
		index[key] = len(list)
		list = append(list, member{key, v})
	}
	return list, nil
}
