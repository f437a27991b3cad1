// Package maxage has the attributes of a cookie of which a session can have its own: how
// long the browser keeps it.
package maxage

import (
	"encoding/json"
	"time"

	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/wire"
)

// Longest is how long browsers keep a cookie (RFC 6265bis, section 5.5).
const Longest = 400 * 24 * time.Hour

// Attributes are those of a session. Made as a literal, they are what a session has that has
// none of its own.
type Attributes struct {
	Usual          time.Duration // the browser keeps the cookie for so long
	Idle, Lifetime time.Duration // the timeouts of the session

	raw json.RawMessage // nil: none of its own
}

type stored struct {
	MaxAge int64 `json:"maxAge"` // seconds
}

// Parse reads stored attributes, and ignores those that it can't read.
func (a *Attributes) Parse(raw json.RawMessage) wire.Attributes {
	if raw == nil {
		return of{a}
	}
	own := *a
	own.raw = raw
	var s stored
	if document.DecodeValue(raw, &s, false) == nil && s.MaxAge >= 0 {
		own.Usual = min(time.Duration(min(s.MaxAge, int64(Longest/time.Second)))*time.Second, Longest)
	}
	return of{&own}
}

// of implements [wire.Attributes].
type of struct{ *Attributes }

func (a of) JSON() json.RawMessage { return a.raw }

func (a of) MaxAge() time.Duration { return a.Usual }

// Idle: the store must not drop what the browser was told to keep.
func (a of) Idle() time.Duration { return min(max(a.Attributes.Idle, a.Usual), a.Lifetime) }

func (a of) WithMaxAge(d time.Duration) wire.Attributes {
	d = min(max(d, 0), Longest)
	seconds := int64((d + time.Second - 1) / time.Second)
	own := *a.Attributes
	own.raw, _ = document.EncodeValue(stored{seconds})
	own.Usual = min(time.Duration(seconds)*time.Second, Longest)
	return of{&own}
}

func (a of) Renewed(time.Time) wire.Attributes { return a }
