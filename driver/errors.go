package driver

import (
	"errors"
	"time"
)

// The errors that a store returns, wrapped. Package sessions has all but
// ErrExists under the same names.
var (
	ErrNotFound = errors.New("sessions: not found")
	ErrExists   = errors.New("sessions: exists already")
	ErrConflict = errors.New("sessions: changed by another request")
	ErrTooLarge = errors.New("sessions: the session is too large")
	ErrSchema   = errors.New("sessions: the database schema does not fit")
	ErrValue    = errors.New("sessions: the value cannot be stored or read")
	ErrInvalid  = errors.New("sessions: invalid option or argument")
)

// A ReplacedError is what Load returns, alone of all methods, if a live row has the ID
// and another verifier: the client's token was replaced by a newer one. It wraps
// [ErrNotFound].
type ReplacedError struct {
	Ago time.Duration // since the row got its verifier
}

// Error returns a text without the ID.
func (*ReplacedError) Error() string { return "sessions: not found: the token was replaced" }

// Unwrap returns [ErrNotFound].
func (*ReplacedError) Unwrap() error { return ErrNotFound }
