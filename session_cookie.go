package sessions

import (
	"time"
)

// cookieMember is where a session keeps its own cookie attributes, beside the
// values. Names that begin with $ can't be keys.
const cookieMember = "$cookie"

type cookieAttributes struct {
	MaxAge int64 `json:"maxAge"` // seconds
}

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
	d = min(max(d, 0), maxLifetime)
	if d == s.manager.maxAge(s.state.now) {
		return
	}
	raw, _ := encodeValue(cookieAttributes{MaxAge: int64((d + time.Second - 1) / time.Second)})
	s.record(op{kind: opSet, name: cookieMember, raw: raw})
}

// maxAge returns the session's own MaxAge, else the manager's.
func (m *Manager) maxAge(d document) time.Duration {
	if raw, ok := d.get(cookieMember); ok {
		var own cookieAttributes
		if decodeValue(raw, &own, false) == nil && own.MaxAge >= 0 {
			return min(time.Duration(min(own.MaxAge, int64(maxLifetime/time.Second)))*time.Second, maxLifetime)
		}
	}
	return m.options.Cookie.MaxAge
}

// idle returns how long the session lives untouched. The store must not drop
// what the browser was told to keep.
func (m *Manager) idle(d document) time.Duration {
	return min(max(m.options.IdleTimeout, m.maxAge(d)), m.options.Lifetime)
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
