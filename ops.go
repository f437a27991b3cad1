package sessions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/wire"
)

// contents are what a session holds: the application's values, and what describes
// its cookie, parsed.
type contents struct {
	doc    document.Document
	cookie wire.Attributes // what doc has under document.Cookie
}

func (c contents) equal(d contents) bool { return c.doc.Equal(d.doc) }

// renewed returns c with the cookie's attributes as they have to be written now.
func (c contents) renewed() contents {
	cookie := c.cookie.Renewed(time.Now())
	if raw := cookie.JSON(); !bytes.Equal(raw, c.cookie.JSON()) {
		c.doc = slices.Clone(c.doc).With(document.Cookie, raw)
	}
	c.cookie = cookie
	return c
}

// An op is one change of a request. The ops of a request are kept until they
// are saved, because when another request saved first they are applied again,
// on top of what that one left.
type op struct {
	kind opKind
	name string
	raw  json.RawMessage // what is stored under the name
	// replay computes raw again from the value that another request left, or is nil.
	replay func(json.RawMessage) (json.RawMessage, error)
	cookie wire.Attributes // what opCookie sets
}

// setCookie is the op that gives a session these attributes.
func setCookie(a wire.Attributes) op {
	return op{kind: opCookie, name: document.Cookie, raw: a.JSON(), cookie: a}
}

type opKind int

const (
	opSet opKind = iota
	opUpdate
	opDelete
	opClear  // all values
	opCookie // the cookie's attributes
)

// apply changes c, whose document the caller owns.
func (o *op) apply(c contents) contents {
	switch o.kind {
	case opSet, opUpdate:
		c.doc = c.doc.With(o.name, o.raw)
	case opCookie:
		c.doc, c.cookie = c.doc.With(o.name, o.raw), o.cookie
	case opDelete:
		c.doc = c.doc.Without(o.name)
	case opClear:
		c.doc = c.doc.WithoutValues()
	}
	return c
}

// record applies o to now and returns both with what is left of ops to be saved. It
// reports false if o changes nothing.
func record(now contents, ops []op, o op) (contents, []op, bool) {
	earlier := slices.ContainsFunc(ops, func(p op) bool { return p.name == o.name || p.name == "" })
	if raw := now.doc.Get(o.name); !earlier {
		// Nothing changes, so nothing needs to be written, nor to win over what
		// another request makes of the value.
		switch o.kind {
		case opSet, opCookie:
			if raw != nil && bytes.Equal(raw, o.raw) {
				return now, ops, false
			}
		case opDelete:
			if raw == nil {
				return now, ops, false
			}
		case opUpdate, opClear:
		}
	}
	if len(ops) == 0 {
		now.doc = slices.Clone(now.doc) // it was the base until now
	}
	switch o.kind {
	case opSet, opDelete, opCookie: // no matter what came before on this name
		ops = slices.DeleteFunc(ops, func(p op) bool { return p.name == o.name })
	case opClear:
		ops = slices.DeleteFunc(ops, func(p op) bool { return p.kind != opCookie })
	case opUpdate:
	}
	return o.apply(now), append(ops, o), true
}

// replay applies ops to a copy of base.
func replay(base contents, ops []op) (contents, error) {
	now := contents{slices.Clone(base.doc), base.cookie}
	for _, o := range ops {
		if o.replay != nil {
			raw, err := o.replay(now.doc.Get(o.name))
			if err != nil {
				return contents{}, fmt.Errorf("sessions: update %q: %w", o.name, err)
			}
			o.raw = raw
		}
		now = o.apply(now)
	}
	return now, nil
}
