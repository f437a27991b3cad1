package sessions

import (
	"fmt"
)

// fmt prints unexported fields without asking their methods, so each exported
// type that holds a token, a verifier or a secret says itself how it prints.

// Format prints the ID and nothing else, for every verb.
func (s *Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sessions.Session(%s)", s.ID())
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
