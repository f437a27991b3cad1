// Package wire is the seam between package sessions and the packages of this
// module that need more of it than its documentation shows: package express, whose
// cookies and stored JSON look different, and package takeover.
package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
)

// A Token is what a cookie says, once a secret has vouched for it.
type Token struct {
	Text string // without the signature
	Old  bool   // signed with a secret that is being phased out
}

// A Protocol says how a session looks outside the process: its cookie, and the member
// of the stored JSON that describes the cookie. It is safe for concurrent use.
type Protocol interface {
	// Read returns the different tokens in the request's cookies, and whether it
	// carried any cookie of the name, good or bad.
	Read(r *http.Request) (tokens []Token, presented bool)
	// Verify returns the token in one cookie's value.
	Verify(value string) (Token, bool)
	// NewToken returns a token that cannot be guessed, for the session with this ID, or
	// with a new ID if that is "". A protocol that derives IDs from tokens ignores it.
	// r is nil outside of a request.
	NewToken(r *http.Request, id driver.ID) (string, error)
	// Ref returns what the store knows a token by.
	Ref(token string) driver.Ref

	// Sends reports whether a cookie can go out with the response at all, and
	// whether the connection is secure.
	Sends(r *http.Request) (withheld, secure bool)
	// Line returns the Set-Cookie line for a session that can live for left, or for
	// the token "" the one that deletes the cookie. It returns "" when the cookie
	// can't go out on this connection.
	Line(token string, a Attributes, left time.Duration, secure bool) string
	// Name returns the cookie's name.
	Name() string

	// Member returns the name that the attributes have in the stored JSON.
	Member() string
	// Fresh returns the attributes of a new session. They can be used even if there is an
	// error. r is nil outside of a request.
	Fresh(r *http.Request) (Attributes, error)
	// Parse reads stored attributes. raw is nil if a session has none. The error says
	// why a session with these attributes can't be used.
	Parse(raw json.RawMessage) (Attributes, error)

	// Check returns why a value can't have this name.
	Check(name string) error
	Policy() Policy
}

// Attributes describe one session's cookie. They do not change: the methods that
// change something return others.
type Attributes interface {
	// JSON returns what to store, and nil if the session has no attributes of its own.
	JSON() json.RawMessage
	// MaxAge returns how long the browser keeps the cookie; 0: until it is closed.
	MaxAge() time.Duration
	// Idle returns how long the session lives unless it is used.
	Idle() time.Duration
	WithMaxAge(d time.Duration) Attributes
	// Renewed returns the attributes as they have to be written now.
	Renewed(now time.Time) Attributes
}

// A Policy says when a session is written and its cookie sent.
type Policy struct {
	NotSent string // what to log when Line returned "" for a session that is stored

	SaveNew   bool // a new session is kept although there is nothing in it
	Resave    bool // a stored one is written although nothing changed
	Rolling   bool // the cookie is sent with every response
	NoTouch   bool // only a save moves the expiry
	TouchOnly bool // moving the expiry does not send a cookie that the browser keeps by its own clock
	Endless   bool // there is no absolute limit, and IDs are derived from tokens
}

// A Predecessor is a system whose sessions a manager takes over.
type Predecessor interface {
	// TakeOver finds the session that an old cookie of the request opens, stores it
	// here, and returns its token and row. ErrNotFound: there is none. A row with
	// Previous has a newer token by now, which the browser got with another response.
	TakeOver(ctx context.Context, r *http.Request) (token string, row driver.Row, err error)
	// Drop returns the Set-Cookie line that deletes the old cookie, and its name.
	Drop(r *http.Request, secure bool) (name, line string)
	// Until returns the time from which old cookies mean nothing. Until then everything
	// that ends here, and each mark, has to be remembered.
	Until() time.Time
	// Note returns what to store in a session that this manager's own cookie opened, as
	// a reserved member that stays as it is if it has been stored already, or "" if
	// there is nothing to note.
	Note(row driver.Row, doc document.Document) (name string, value json.RawMessage)
	// End ends, for good, what the request's old cookies open, here and in the old
	// system, but for the row here with the ID except. Destroy and SetUser need it.
	End(ctx context.Context, r *http.Request, except driver.ID, reason string) error
	// Lives reports whether a row that is pending here is still live in the old system, as
	// far as is known here.
	Lives(row driver.Row, doc document.Document) bool
}

// An OldError comes from the old system, and not from the store of the manager that
// takes over.
type OldError struct{ Err error }

// Error begins with the place.
func (e *OldError) Error() string { return "the old table: " + e.Err.Error() }

// Unwrap returns what happened there.
func (e *OldError) Unwrap() error { return e.Err }

// A Pager is a store that can be read in the order of its verifiers. The stores
// of package express are.
type Pager interface {
	// Page returns up to limit live rows with larger verifiers than after.
	Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error)
}
