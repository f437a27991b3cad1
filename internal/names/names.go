// Package names checks what an application calls its values and its users.
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
	maxUser = 255 // bytes: what a MySQL index holds
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

// CheckUser returns why no session can have this user. The error wraps [driver.ErrValue].
func CheckUser(user string) error {
	if len(user) > maxUser || !utf8.ValidString(user) || strings.ContainsRune(user, 0) {
		return fmt.Errorf("%w: use at most %d bytes of UTF-8 without NUL", driver.ErrValue, maxUser)
	}
	return nil
}
