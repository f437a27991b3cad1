// Package wire is the seam between a session and what of it is seen outside
// the process: the cookie, and the member of the stored JSON that describes the
// cookie. Package sessions has a protocol of its own; package express has
// express-session's.
package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// A Pager is a store that can be read in the order of its verifiers. The stores
// of package express are.
type Pager interface {
	// Page returns up to limit live rows with larger verifiers than after.
	Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error)
}

// A Token is what a cookie says, once a secret has vouched for it.
type Token struct {
	Text string // without the signature
	Old  bool   // signed with a secret that is being phased out
}

// A Protocol is safe for concurrent use. Attributes are the JSON of the member
// that describes a session's cookie, nil where there is none.
type Protocol interface {
	// Read returns the different tokens in the request's cookies, and whether it
	// carried any cookie of the name, good or bad.
	Read(r *http.Request) (tokens []Token, presented bool)
	// Verify returns the token in one cookie's value.
	Verify(value string) (Token, bool)
	// NewToken returns a token that nobody can guess, for the session with this ID, or
	// with a new ID where that is "". A protocol whose IDs follow from the tokens
	// does not look at it. r is nil outside of a request.
	NewToken(r *http.Request, id driver.ID) (string, error)
	// Ref returns what the store knows a token by.
	Ref(token string) driver.Ref

	// Sends reports whether a cookie can go out with the response at all, and
	// whether the connection is secure.
	Sends(r *http.Request) (withheld, secure bool)
	// Line returns the Set-Cookie line for a session that can live for left, or, for the token "", the
	// one that deletes the cookie; "" when the cookie can't go out on this connection.
	Line(token string, attributes json.RawMessage, left time.Duration, secure bool) string
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
