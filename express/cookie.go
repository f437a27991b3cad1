package express

import (
	"fmt"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/wire"
)

// Cookie returns the attributes of one session's cookie, `req.session.cookie`: those
// of [Options] when the session began, or what was set since. MaxAge is the original
// one, which starts again with each write, and Expires is when it will have passed.
// The session is one of a manager of this package.
func Cookie(s *sessions.Session) CookieOptions {
	if c, ok := wire.AttributesOf(s).(*stored); ok {
		return c.options()
	}
	return CookieOptions{}
}

func (a *attributes) options() CookieOptions {
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

// SetCookie replaces the attributes of one session's cookie, which are saved with
// the session and sent with this response. What it does not change stays as it is
// stored, in whatever spelling. If both MaxAge and Expires differ from what the
// session has, MaxAge counts unless it is 0. The error wraps [sessions.ErrValue]: an
// attribute that makes no cookie, or one of the values "auto", which are for
// [Options]; or [sessions.ErrInvalid]: the session is none of this package.
func SetCookie(s *sessions.Session, c CookieOptions) error {
	if c.Secure == SecureAuto || c.SameSite == SameSiteAuto {
		return fmt.Errorf("express: set cookie: %w: auto is decided when a session begins; say which", sessions.ErrValue)
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("express: set cookie: %w: %w", sessions.ErrValue, err)
	}
	now, ok := wire.AttributesOf(s).(*stored)
	if !ok {
		return fmt.Errorf("express: set cookie: %w: the session belongs to no manager of express.New", sessions.ErrInvalid)
	}
	wire.SetAttributes(s, now.with(func(a *attributes) { a.assign(c, time.Now()) }))
	return nil
}

// assign does what assigning to the members of req.session.cookie does, for
// those that differ.
func (a *attributes) assign(c CookieOptions, now time.Time) {
	was, to := a.options(), c.attributes(false, now)
	for _, member := range []struct {
		differs   bool
		field     *value
		assigning value
	}{
		{c.Path != was.Path, &a.path, to.path},
		{c.Domain != was.Domain, &a.domain, to.domain},
		{c.SameSite != was.SameSite, &a.sameSite, to.sameSite},
		{c.Priority != was.Priority, &a.priority, to.priority},
		{c.Secure != was.Secure, &a.secure, booleanOf(c.Secure == SecureTrue)},
		{c.Partitioned != was.Partitioned, &a.partitioned, booleanOf(c.Partitioned)},
		{c.UnsafeScriptAccess != was.UnsafeScriptAccess, &a.httpOnly, to.httpOnly},
	} {
		if member.differs {
			*member.field = member.assigning
		}
	}
	age, expires := c.MaxAge != was.MaxAge, !c.Expires.Equal(was.Expires)
	switch {
	case age && (c.MaxAge != 0 || !expires):
		a.startAge(ageOf(c.MaxAge), now)
	case expires && !c.Expires.IsZero():
		a.setExpires(dateAt(c.Expires), now)
	case expires:
		a.setExpires(value{kind: null}, now)
	}
}

func ageOf(d time.Duration) value {
	if d == 0 {
		return value{kind: null}
	}
	return milliseconds(d)
}
