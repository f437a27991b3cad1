package sessions

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sqlsessions/sessions/driver"
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
	// ErrEnded: the session was logged out, revoked or expired while the request was
	// running, or another request gave it a new token. What was not saved by then is
	// lost.
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
	// ErrTooLate: the response has begun, or there is none, so that the cookie which the
	// change needs can't be sent.
	ErrTooLate = errors.New("sessions: too late to change the session: its cookie can't be sent any more")
	// ErrValue: a value can't be kept as JSON, or what is kept is not of the key's
	// type.
	ErrValue = driver.ErrValue
	// ErrInvalid: an option or an argument can't be used; the text says why.
	ErrInvalid = driver.ErrInvalid
)

// classify makes an error of a store wrap one of this package's.
func classify(err error) error {
	if errors.Is(err, ErrNotFound) {
		return ErrEnded
	}
	for _, known := range []error{ErrConflict, ErrEnded, ErrSchema, ErrTooLarge, ErrTooLate, ErrValue, ErrInvalid, ErrUnavailable} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// storeError says what was being done when a store returned err, which may be nil.
func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sessions: %s: %w", doing, classify(err))
}

// DefaultErrorHandler answers 409 when the session ended while the request ran,
// 500 for what the program has to fix ([ErrValue], [ErrTooLarge], [ErrTooLate],
// [ErrInvalid]), and 503 otherwise. The client is not told the reason;
// [Options].Logger is.
func DefaultErrorHandler(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, ErrEnded):
		status = http.StatusConflict
	case errors.Is(err, ErrValue), errors.Is(err, ErrTooLarge), errors.Is(err, ErrTooLate), errors.Is(err, ErrInvalid):
		status = http.StatusInternalServerError
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}
