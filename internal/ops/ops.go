// Package ops has what a session holds, and the changes of a request as operations that can
// be applied again on top of what another request left.
package ops

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/wire"
)

// Contents are what a session holds: the application's values, and what describes
// its cookie, parsed.
type Contents struct {
	Doc    document.Document
	Cookie wire.Attributes // what doc has under document.Cookie
}

func (c Contents) Equal(d Contents) bool { return c.Doc.Equal(d.Doc) }

// Renewed returns c with the cookie's attributes as they have to be written now.
func (c Contents) Renewed() Contents {
	cookie := c.Cookie.Renewed(time.Now())
	if raw := cookie.JSON(); !bytes.Equal(raw, c.Cookie.JSON()) {
		c.Doc = c.Doc.Clone().With(document.Cookie, raw)
	}
	c.Cookie = cookie
	return c
}

// An Op is one change of a request. The ops of a request are kept until they
// are saved, because when another request saved first they are applied again,
// on top of what that one left.
type Op struct {
	Kind Kind
	Name string
	Raw  json.RawMessage // what is stored under the name
	// Replay computes Raw again from the value that another request left, or is nil.
	Replay func(json.RawMessage) (json.RawMessage, error)
	Cookie wire.Attributes // what Cookie sets
}

// SetCookie is the op that gives a session these attributes.
func SetCookie(a wire.Attributes) Op {
	return Op{Kind: Cookie, Name: document.Cookie, Raw: a.JSON(), Cookie: a}
}

// A Kind of change.
type Kind int

const (
	Set Kind = iota
	Update
	Delete
	Clear  // all values
	Cookie // the cookie's attributes
)

// apply changes c, whose document the caller owns.
func (o *Op) apply(c Contents) Contents {
	switch o.Kind {
	case Set, Update:
		c.Doc = c.Doc.With(o.Name, o.Raw)
	case Cookie:
		c.Doc, c.Cookie = c.Doc.With(o.Name, o.Raw), o.Cookie
	case Delete:
		c.Doc = c.Doc.Without(o.Name)
	case Clear:
		c.Doc = c.Doc.WithoutValues()
	}
	return c
}

// Once is the op that replaces was by value, unless another request was first.
func Once(name string, was, value json.RawMessage) Op {
	return Op{Kind: Update, Name: name, Raw: value, Replay: func(theirs json.RawMessage) (json.RawMessage, error) {
		if !bytes.Equal(theirs, was) {
			return theirs, nil
		}
		return value, nil
	}}
}
