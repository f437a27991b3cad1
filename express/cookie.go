package express

import (
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
)

// Cookie returns the attributes of one session's cookie, `req.session.cookie`: those
// of [Options] when it began, or what was set since. MaxAge is the original one,
// which each write begins anew, and Expires is when it will have passed. The
// session is one of a manager of this package.
func Cookie(s *sessions.Session) CookieOptions {
	a, err := parseAttributes(s.Cookie().Attributes(), time.Now())
	if err != nil {
		return CookieOptions{}
	}
	c := CookieOptions{
		Path: a.path.text, Domain: a.domain.text,
		SameSite: SameSite(a.sameSite.word()), Priority: Priority(a.priority.word()),
		Partitioned: a.partitioned.truthy(), UnsafeScriptAccess: !a.httpOnly.truthy(),
	}
	if a.sameSite == booleanOf(true) {
		c.SameSite = SameSiteStrict
	}
	if a.secure.truthy() {
		c.Secure = SecureTrue
	}
	c.MaxAge, _ = a.lasts()
	if a.expires.kind == date {
		c.Expires = time.UnixMilli(int64(a.expires.num))
	}
	return c
}

// SetCookie replaces the attributes of one session's cookie, which are saved
// with the session and sent with this response. A MaxAge that differs from the one
// the session has wins over Expires, and an Expires that differs over the same MaxAge. The
// error wraps [sessions.ErrValue]: an attribute that makes no cookie, or one of the values
// "auto", which are for [Options].
func SetCookie(s *sessions.Session, c CookieOptions) error {
	if c.Secure == SecureAuto || c.SameSite == SameSiteAuto {
		return fmt.Errorf("express: set cookie: %w: auto is decided when a session begins; say which", sessions.ErrValue)
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("express: set cookie: %w: %w", sessions.ErrValue, err)
	}
	if was := Cookie(s); c.MaxAge == was.MaxAge && !c.Expires.Equal(was.Expires) {
		c.MaxAge = 0
	}
	a := c.attributes(false, time.Now())
	return s.Cookie().SetAttributes(a.encode())
}
