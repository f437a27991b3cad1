// Package names checks what an application calls its values, its users, and what else sessions
// are found by.
package names

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/driver"
)

const (
	maxKey  = 128 // bytes
	longest = 255 // bytes of a user or label: what a MySQL index holds
)

// CheckKey returns why a value can't have this name.
func CheckKey(name string) error {
	switch {
	case name == "" || len(name) > maxKey:
		return fmt.Errorf("sessions: key name %.40q has %d bytes; use 1 to %d", name, len(name), maxKey)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("sessions: key name %q holds control characters or is not UTF-8", name)
	case name[0] == '$':
		return fmt.Errorf("sessions: key name %q begins with $, which is reserved", name)
	}
	return nil
}

// CheckUser returns an error that wraps driver.ErrInvalid unless the user of some sessions is
// named. otherwise says what to do about "".
func CheckUser(user, otherwise string) error {
	if user == "" {
		return fmt.Errorf("%w: %s", driver.ErrInvalid, otherwise)
	}
	if err := Check(user); err != nil {
		return fmt.Errorf("sessions: user: %w: %w", driver.ErrInvalid, err)
	}
	return nil
}

// Check returns an error that wraps driver.ErrValue unless these can be users or labels.
// Databases differ in what they make of others: they refuse them, keep them changed, or find
// nothing.
func Check(names ...string) error {
	for _, name := range names {
		if len(name) > longest || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return fmt.Errorf("%w: use at most %d bytes of UTF-8 without NUL", driver.ErrValue, longest)
		}
	}
	return nil
}
