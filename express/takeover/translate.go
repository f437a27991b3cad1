package takeover

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// successor returns the token here of a session in an old table, whose verifier is
// a secret there. It is the same each time, so that parallel requests, and an
// import, arrive at one row.
func (p *predecessor) successor(old driver.Verifier) (token string) {
	// The ID does not come from the secret, because an ID is public.
	id, _ := uuid.Parse(uuid.Derive("sessions/import/id/v1\x00" + string(old)))
	return p.here.Token(id, sha256.Sum256([]byte("sessions/import/v1\x00"+old)))
}

const setAsidePrefix = "taken-over-"

// setAside is the verifier of a row that is being taken over. No cookie leads there.
func setAside(old driver.Verifier) string {
	sum := sha256.Sum256([]byte("sessions/set-aside/v1\x00" + old))
	return setAsidePrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

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
	for _, m := range old {
		if m.Reserved() {
			continue
		}
		if !m.Portable() {
			return driver.Row{}, fmt.Errorf("%w: what is under %q can't be kept in every database", sessions.ErrValue, m.Name)
		}
		doc = append(doc, m)
	}
	user := userAt(old, p.UserKey)
	if p.here.CheckUser(user) != nil {
		user = ""
	}
	next := driver.Row{User: cmp.Or(user, row.User), Data: doc.Encode()}
	if len(next.Data) > p.here.MaxBytes {
		return driver.Row{}, fmt.Errorf("%w: %d bytes, MaxBytes is %d", sessions.ErrTooLarge, len(next.Data), p.here.MaxBytes)
	}
	return next, nil
}

// userAt returns the string or number that names joined by dots lead to, or "".
func userAt(d document.Document, path string) string {
	if path == "" {
		return ""
	}
	first, rest, nested := strings.Cut(path, ".")
	raw := d.Get(first)
	if nested {
		inner, err := document.Decode(raw, "")
		if err != nil {
			return ""
		}
		return userAt(inner, rest)
	}
	var v any
	if raw == nil || document.DecodeValue(raw, &v, true) != nil {
		return ""
	}
	user := ""
	switch v := v.(type) {
	case string:
		user = v
	case json.Number:
		user = v.String()
	}
	return user
}
