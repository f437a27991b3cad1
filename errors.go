package sessions

import (
	"errors"

	"github.com/sqlsessions/sessions/driver"
)

// The errors of this package and of every store wrap one of these, so that
// errors.Is tells what happened. ErrConflict, ErrEnded, ErrUnavailable, ErrSchema, ErrTooLarge,
// ErrTooLate and ErrValue may reach the error handler of [Options]; [DefaultErrorHandler] says
// which status each becomes. The others go to callers only.
var (
	// ErrNotFound: no live session has that ID or token.
	ErrNotFound = driver.ErrNotFound
	// ErrConflict: other requests saved first, every time it was tried.
	ErrConflict = driver.ErrConflict
	// ErrEnded: the session was logged out, revoked or expired while the request
	// that changed it was running, or another request gave it a new token. What was
	// not saved by then is lost.
	ErrEnded = errors.New("sessions: the session ended while the request was running")
	// ErrUnavailable: the store could not answer.
	ErrUnavailable = errors.New("sessions: the store is unavailable")
	// ErrSchema: the table is missing or older than this version needs, or a later
	// version of the program wrote a row that this one can't read.
	ErrSchema = driver.ErrSchema
	// ErrTooLarge: the session has more bytes than [Options.MaxBytes], or than the server takes.
	ErrTooLarge = driver.ErrTooLarge
	// ErrTooLate: the response had begun, so a cookie could not be sent any more.
	ErrTooLate = errors.New("sessions: the response has begun and can't carry the cookie any more")
	// ErrValue: a value can't be kept as JSON, or kept JSON is not of the
	// key's type.
	ErrValue = driver.ErrValue
	// ErrAbsent: the session has no value under that key.
	ErrAbsent = errors.New("sessions: no value under this key")
	// ErrInvalid: an option or an argument can't be used; the text says why.
	ErrInvalid = driver.ErrInvalid
)
