package sessions

import "errors"

// The errors of this package and of every store wrap one of these, so that
// errors.Is tells what happened. ErrConflict, ErrEnded, ErrUnavailable, ErrSchema, ErrTooLarge,
// ErrTooLate and ErrValue may reach the error handler of [Options]; [DefaultErrorHandler] says
// which status each becomes. The others go to callers only.
var (
	// ErrNotFound: no live session has that key, handle or cookie.
	ErrNotFound = errors.New("sessions: not found")
	// ErrExists: a store was asked to create a row that exists.
	ErrExists = errors.New("sessions: exists already")
	// ErrConflict: the row moved on since it was loaded. The manager merges
	// and tries again; a request sees it only when that never succeeded.
	ErrConflict = errors.New("sessions: changed by another request")
	// ErrEnded: the session was logged out, revoked, regenerated or expired while the
	// request that changed it was running. What it had not saved by then is lost.
	ErrEnded = errors.New("sessions: the session ended while the request was running")
	// ErrUnavailable: the store could not answer.
	ErrUnavailable = errors.New("sessions: the store is unavailable")
	// ErrSchema: the table is missing or older than this version needs.
	ErrSchema = errors.New("sessions: the database schema does not fit")
	// ErrTooLarge: the session has more bytes than [Options.MaxBytes], or than the server takes.
	ErrTooLarge = errors.New("sessions: the session is too large")
	// ErrTooLate: the response had begun, so a cookie could not be sent any more.
	ErrTooLate = errors.New("sessions: the response has begun and can't carry the cookie any more")
	// ErrValue: a value can't be kept as JSON, or kept JSON is not of the
	// key's type.
	ErrValue = errors.New("sessions: the value does not fit")
	// ErrAbsent: the session has no value under that key.
	ErrAbsent = errors.New("sessions: no value under this key")
	// ErrOptions: an option is not usable; the text says what to change.
	ErrOptions = errors.New("sessions: options")
)
