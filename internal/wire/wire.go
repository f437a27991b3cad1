// Package wire is the seam between a session and what of it is seen outside
// the process: the cookie, and the member of the stored JSON that describes the
// cookie. Package sessions has a protocol of its own; package express has
// express-session's.
package wire

import (
	"encoding/json"
	"net/http"
	"time"
)

// An ID is what a cookie says, once a secret has vouched for it.
type ID struct {
	Text string
	Old  bool // signed with a secret that is being phased out
}

// A Protocol is safe for concurrent use. Attributes are the JSON of the member
// that describes a session's cookie, nil where there is none.
type Protocol interface {
	// Read returns the different ids in the request's cookies, and whether it
	// carried any cookie of the name, good or bad.
	Read(r *http.Request) (ids []ID, presented bool)
	// Verify returns the id in one cookie's value.
	Verify(value string) (ID, bool)
	// NewID returns an id that nobody can guess. r is nil outside of a request.
	NewID(r *http.Request) (string, error)
	// Key returns what the store knows an id by.
	Key(id string) string
	// Handle returns the public name that goes with an id, "" where it is chosen freely.
	Handle(id string) string

	// Sends reports whether a cookie can go out with the response at all, and
	// whether the connection is secure.
	Sends(r *http.Request) (withheld, secure bool)
	// Line returns the Set-Cookie line for a session that can live for left, or, for the id "", the one
	// that deletes the cookie; "" when the cookie can't go out on this connection.
	Line(id string, attributes json.RawMessage, left time.Duration, secure bool) string
	// Name returns the cookie's name.
	Name() string

	// Member returns the name that the attributes have in the stored JSON.
	Member() string
	// Fresh returns the attributes of a new session. r is nil outside of a request.
	Fresh(r *http.Request) (json.RawMessage, error)
	// Usable returns why a session with these attributes can't be used. The other
	// methods are given usable ones only.
	Usable(attributes json.RawMessage) error
	// Renewed returns the attributes as they are to be written at a time.
	Renewed(attributes json.RawMessage, now time.Time) json.RawMessage
	// MaxAge returns how long the browser keeps the cookie; 0: until it ends.
	MaxAge(attributes json.RawMessage) time.Duration
	WithMaxAge(attributes json.RawMessage, d time.Duration) json.RawMessage
	// Idle returns how long the session lives untouched.
	Idle(attributes json.RawMessage) time.Duration

	// Check returns why a value can't have this name.
	Check(name string) error
	Policy() Policy
}

// A Policy says when a session is written and its cookie sent.
type Policy struct {
	SaveNew   bool // a new session is kept although there is nothing in it
	Resave    bool // an old one is written although nothing changed
	Rolling   bool // the cookie is sent with every response
	TouchOnly bool // moving the expiry does not send a cookie that the browser keeps by its own clock
	Endless   bool // there is no absolute limit
}
