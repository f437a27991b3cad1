package sessions

import (
	"fmt"
	"io"
	"log/slog"
)

// fmt prints unexported fields without asking their methods, so each exported
// type that holds an id, a row's key or a secret says itself how it prints.

const placeholder = "[session key]"

// Format prints a placeholder for every verb.
func (RowKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// LogValue returns a placeholder.
func (RowKey) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText returns a placeholder.
func (RowKey) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// Format prints the handle and nothing else, for every verb.
func (s *Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sessions.Session(%s)", s.Handle())
}

// Format prints the maximum age and nothing else, for every verb.
func (c *SessionCookie) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sessions.SessionCookie(%v)", c.MaxAge())
}

// Format prints the name of the cookie and nothing else, for every verb.
func (m *Manager) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sessions.Manager(%s)", m.options.Cookie.Name)
}

// Format prints everything but the secrets, for every verb.
func (o Options) Format(f fmt.State, _ rune) {
	type plain Options // without this method
	p := plain(o)
	p.Secrets = nil
	_, _ = fmt.Fprintf(f, "%+v", p)
}
