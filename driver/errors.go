package driver

import "errors"

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
