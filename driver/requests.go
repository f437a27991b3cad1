package driver

import (
	"fmt"

	"github.com/sqlsessions/sessions/internal/uuid"
)

// Valid reports whether the ID is a UUID in canonical lower-case text. No other
// ID names a row, so there is no need to ask the store about one.
func (id ID) Valid() bool {
	_, ok := uuid.Parse(string(id))
	return ok
}

// Check returns an error that wraps [ErrInvalid] unless exactly one of User,
// Label and All is set, each ID in Except is valid and Limit is more than zero.
func (r *EndAllRequest) Check() error {
	if err := selected(r.Limit, r.User != "", r.Label != "", r.All); err != nil {
		return err
	}
	for _, id := range r.Except {
		if !id.Valid() {
			return fmt.Errorf("%w: %.40q in Except is no session's ID", ErrInvalid, string(id))
		}
	}
	return nil
}

// Check returns an error that wraps [ErrInvalid] unless exactly one of ID, User,
// Label and All is set and Limit is more than zero.
func (r *ListRequest) Check() error {
	return selected(r.Limit, r.ID != "", r.User != "", r.Label != "", r.All)
}

func selected(limit int, set ...bool) error {
	n := 0
	for _, is := range set {
		if is {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("%w: set exactly one selection; %d are set", ErrInvalid, n)
	}
	if limit <= 0 {
		return fmt.Errorf("%w: limit %d; use 1 or more", ErrInvalid, limit)
	}
	return nil
}
