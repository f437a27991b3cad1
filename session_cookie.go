package sessions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

// cookieMember is where a session keeps its own cookie attributes, beside the
// values. Names that begin with $ can't be keys.
const cookieMember = "$cookie"

// A SessionCookie holds the attributes that one session's cookie has of its
// own. They are kept with the session.
type SessionCookie struct {
	session *Session
}

// Cookie returns the attributes of this session's cookie.
func (s *Session) Cookie() *SessionCookie { return &SessionCookie{session: s} }

// MaxAge returns how long the browser keeps the cookie; 0 is until it ends.
func (c *SessionCookie) MaxAge() time.Duration {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.manager.maxAge(c.session.state.now)
}

// SetMaxAge makes the browser keep the cookie for d, in whole seconds and at
// most 400 days, from each time that the idle timeout moves; 0 or less, until the browser ends.
// An idle session lives for d too, if that is more than [Options.IdleTimeout],
// but never past [Options.Lifetime]. This is "remember me".
func (c *SessionCookie) SetMaxAge(d time.Duration) {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	old, _ := s.state.now.get(cookieMember)
	raw := s.manager.protocol.WithMaxAge(old, d)
	if s.manager.protocol.MaxAge(raw) == s.manager.maxAge(s.state.now) {
		return
	}
	s.record(op{kind: opSet, name: cookieMember, raw: raw})
}

// Attributes returns the attributes as JSON, nil where the session has none of
// its own. It is for package express.
func (c *SessionCookie) Attributes() json.RawMessage {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	raw, _ := c.session.state.now.get(cookieMember)
	return raw
}

// SetAttributes replaces them. It is for package express. The error wraps [ErrValue].
func (c *SessionCookie) SetAttributes(raw json.RawMessage) error {
	s := c.session
	err := s.manager.protocol.Usable(raw)
	if err == nil && !json.Valid(raw) {
		err = errDamaged
	}
	if err != nil {
		return fmt.Errorf("sessions: set cookie attributes: %w: %w", ErrValue, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(op{kind: opSet, name: cookieMember, raw: raw})
	return nil
}

func (m *Manager) maxAge(d document) time.Duration {
	raw, _ := d.get(cookieMember)
	return m.protocol.MaxAge(raw)
}

// idle returns how long the session lives untouched.
func (m *Manager) idle(d document) time.Duration {
	raw, _ := d.get(cookieMember)
	return m.protocol.Idle(raw)
}

// touchInterval is [Options.TouchInterval], or a tenth of an idle timeout that a
// session has of its own and that is shorter than the manager's.
func (m *Manager) touchInterval(d document) time.Duration {
	if idle := m.idle(d); idle < m.options.IdleTimeout {
		return min(m.options.TouchInterval, idle/10)
	}
	return m.options.TouchInterval
}

// lifetime returns the absolute limit of a new session.
func (m *Manager) lifetime() time.Duration {
	if m.policy.Endless {
		return math.MaxInt64
	}
	return m.options.Lifetime
}

// fresh returns what a new session consists of. r is nil outside of a request.
func (m *Manager) fresh(r *http.Request) (document, error) {
	attributes, err := m.protocol.Fresh(r)
	return cookieDocument(m.protocol.Member(), attributes), err
}

// renewed returns d with the cookie's attributes as they are to be written now.
func (m *Manager) renewed(d document) document {
	i := d.index(cookieMember)
	if i < 0 {
		return d
	}
	raw := m.protocol.Renewed(d[i].raw, time.Now())
	if bytes.Equal(raw, d[i].raw) {
		return d
	}
	d = slices.Clone(d)
	d[i].raw = raw
	return d
}

// hasValues reports whether there is anything but what this package keeps.
func (d document) hasValues() bool {
	for i := range d {
		if !d[i].reserved() {
			return true
		}
	}
	return false
}
