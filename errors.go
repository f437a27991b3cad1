package sessions

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/reply"
)

// The errors of this package and of every store wrap one of these, so that
// [errors.Is] tells what happened.
//
// An error that reaches [Options].ErrorHandler wraps [ErrLoad] if the handler did
// not run. Otherwise the handler ran and its session was not saved.
var (
	// ErrNotFound: no live session, or no value, has that name.
	ErrNotFound = driver.ErrNotFound
	// ErrConflict: other requests saved first, every time it was tried.
	ErrConflict = driver.ErrConflict
	// ErrEnded: the session ended while the request was running, or another request
	// gave it a new token. What was not saved by then is lost. If it ended, the error also
	// wraps an [*EndedError] with the reason.
	ErrEnded = errors.New("sessions: the session ended while the request was running")
	// ErrUnavailable: the store could not answer. A write may have been carried out.
	ErrUnavailable = errors.New("sessions: the store is unavailable")
	// ErrLoad: the session could not be loaded, so the handler did not run and the
	// request can be sent again. It comes together with the cause.
	ErrLoad = errors.New("sessions: load")
	// ErrSchema: the table is missing or older than this version needs, or a later
	// version of the program wrote a row that this one can't read.
	ErrSchema = driver.ErrSchema
	// ErrTooLarge: the session has more bytes than [Options].MaxBytes, or than the
	// server accepts.
	ErrTooLarge = driver.ErrTooLarge
	// ErrTooLate: the cookie which the change needs can't be sent, because the response has
	// begun, or there is none, or the cookie is Secure and the request came over plain HTTP;
	// or the request is over, and its session can only be read.
	ErrTooLate = errors.New("sessions: the session can't be changed now")
	// ErrLimit: [Options].RefuseOverMax does not allow the user another session, or
	// AdmitAnonymous a visitor's.
	ErrLimit = errors.New("sessions: too many sessions")
	// ErrValue: a value can't be kept as JSON, or what is kept is not of the key's
	// type.
	ErrValue = driver.ErrValue
	// ErrInvalid: an option or an argument can't be used; the text says why.
	ErrInvalid = driver.ErrInvalid
)

var (
	errCookieGone = fmt.Errorf("%w: it would need a cookie, and the response has begun, or there is none", ErrTooLate)
	errTakenOver  = fmt.Errorf("%w: it would need a cookie, which a connection that is taken over can't carry; "+
		"sign in, or store the first value, in a request before", ErrTooLate)
	errWithheld = fmt.Errorf("%w: its Secure cookie is not sent over plain HTTP. %s", ErrTooLate, forwarded.Advice)
)

// An EndedError says why a session ended. It wraps [ErrEnded]. Find it with [errors.As].
type EndedError struct {
	Reason Reason
}

// Error returns a text with the reason.
func (e *EndedError) Error() string { return fmt.Sprintf("%v (%s)", ErrEnded, e.Reason) }

// Unwrap returns [ErrEnded].
func (*EndedError) Unwrap() error { return ErrEnded }

// A Reason says why a session ended. The list below may grow.
type Reason string

// The reasons.
const (
	ReasonLogout      Reason = "logout"       // Session.Destroy
	ReasonRevoked     Reason = "revoked"      // Manager.Revoke
	ReasonRevokedUser Reason = "revoked user" // Manager.RevokeUser or RevokeAll
	ReasonIdle        Reason = "idle"         // Options.IdleTimeout
	ReasonLifetime    Reason = "lifetime"     // Options.Lifetime
	ReasonEvicted     Reason = "evicted"      // Options.MaxPerUser
	ReasonReplay      Reason = "replay"       // Options.EndOnReplay
	ReasonUnfinished  Reason = "unfinished"   // a sign-in that could not be completed
	ReasonGone        Reason = "gone"         // not known any more: see Options.KeepEnded
)

func reasonOf(e driver.Ending) Reason {
	switch {
	case e.Gone:
		return ReasonGone
	case e.Reason != "":
		return Reason(e.Reason)
	case e.Idle:
		return ReasonIdle
	}
	return ReasonLifetime
}

// classify makes an error of a store wrap one of this package's.
func classify(err error) error {
	if errors.Is(err, ErrNotFound) && !errors.Is(err, ErrLimit) { // which may have any error of the program's in it
		return ErrEnded
	}
	for _, known := range []error{ErrConflict, ErrEnded, ErrLimit, ErrSchema, ErrTooLarge, ErrTooLate, ErrValue, ErrInvalid, ErrUnavailable} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// unknown reports whether a write that ended with err may have been carried out.
func unknown(err error) bool { return err != nil && errors.Is(classify(err), ErrUnavailable) }

// storeError says what was being done when a store returned err, which may be nil.
func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sessions: %s: %w", doing, classify(err))
}

// DefaultErrorHandler answers 409 when the session ended while the request ran,
// 429 for [ErrLimit], 500 for what the program has to fix ([ErrValue], [ErrTooLarge], [ErrTooLate],
// [ErrInvalid]), and 503 otherwise. The client is not told the reason;
// [Options].Logger is.
func DefaultErrorHandler(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, ErrLimit):
		status = http.StatusTooManyRequests
	case errors.Is(err, ErrEnded):
		status = http.StatusConflict
	case errors.Is(err, ErrValue), errors.Is(err, ErrTooLarge), errors.Is(err, ErrTooLate), errors.Is(err, ErrInvalid):
		status = http.StatusInternalServerError
	}
	reply.NoStore(w.Header())
	http.Error(w, http.StatusText(status), status)
}
