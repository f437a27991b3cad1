package takeover

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/names"
)

// translate makes a row of this manager from an old one.
func (p *predecessor) translate(row driver.Row) (driver.Row, error) {
	old, attributes, err := p.old.Decode(row)
	if err != nil {
		return driver.Row{}, err
	}
	var doc document.Document
	if maxAge := attributes.MaxAge(); maxAge > 0 {
		usual, err := p.here.Protocol.Fresh(nil)
		if err != nil {
			return driver.Row{}, err
		}
		doc = document.New(p.here.Protocol.Member(), usual.WithMaxAge(maxAge).JSON())
	}
	for m := range old.All() {
		if m.Reserved() {
			continue
		}
		if !m.Portable() {
			return driver.Row{}, fmt.Errorf("%w: what is under %q can't be kept in every database", sessions.ErrValue, m.Name)
		}
		doc = doc.Append(*m)
	}
	next := driver.Row{User: p.user(row, old), Data: doc.Encode()}
	if len(next.Data) > p.here.MaxBytes {
		return driver.Row{}, fmt.Errorf("%w: %d bytes, MaxBytes is %d", sessions.ErrTooLarge, len(next.Data), p.here.MaxBytes)
	}
	return next, nil
}

// leftBehind returns the names in an old session that mean something else here.
func (p *predecessor) leftBehind(row driver.Row) (found []string) {
	old, _, err := p.old.Decode(row)
	if err != nil {
		return nil
	}
	for m := range old.All() {
		if m.Reserved() && string(m.Name) != document.Cookie {
			found = append(found, m.Text())
		}
	}
	return found
}

// leftBehindText tells an operator what does not come along.
const leftBehindText = "sessions: values of an old session were left behind, because names that begin with $ are this package's own"

// user returns whose an old session is. With UserKey it is what the Express application
// says: who logs out there leaves a user of [sessions.Session.SetUser] behind.
func (p *predecessor) user(row driver.Row, old document.Document) string {
	if p.UserKey == "" {
		return row.User
	}
	user, found := userAt(old, p.UserKey)
	if found && (user == "" || names.Check(user) != nil) {
		p.noUser.Do(func() {
			p.here.Logger().Warn("sessions: an old session became a visitor's, because what UserKey leads to is no string or number of 1 to 255 bytes; "+
				"this is logged once", "userKey", p.UserKey, "id", row.ID)
		})
		return ""
	}
	return user
}

// userAt returns the string or number that names joined by dots lead to, or "", and
// whether they lead anywhere.
func userAt(d document.Document, path string) (user string, found bool) {
	first, rest, nested := strings.Cut(path, ".")
	raw := d.Get(first)
	if raw == nil || string(raw) == "null" {
		return "", false
	}
	if nested {
		inner, err := document.Decode(raw, "")
		if err != nil {
			return "", false
		}
		return userAt(inner, rest)
	}
	var v any
	if document.DecodeValue(raw, &v, true) != nil {
		return "", true
	}
	switch v := v.(type) {
	case string:
		user = v
	case json.Number:
		user = v.String()
	}
	return user, true
}
