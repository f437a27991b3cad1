package sessions

import (
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/internal/cookierules"
	"github.com/sqlsessions/sessions/internal/maxage"
)

// CookieOptions say how the browser keeps the token (RFC 6265bis). After a change
// of Path or Domain browsers send both cookies: change Name with them.
type CookieOptions struct {
	// Name defaults to "__Host-session" where its rules allow (Secure always,
	// Path "/", no Domain), else to "__Secure-session" (Secure always), else to
	// "session".
	Name string

	// Path is the URL path under which the browser sends the cookie.
	// It is no security boundary. Defaults to "/".
	Path string

	// Domain widens the cookie to all subdomains of this domain.
	// Defaults to none: only the host that set it gets it back.
	Domain string

	// MaxAge is how long the browser keeps the cookie, in whole seconds, at most
	// 400 days. An unused session lives at least that long, within Lifetime, and a
	// visitor's within AnonymousTimeout. Defaults to 0: until the browser is closed.
	// [Session.SetMaxAge] sets it for one session.
	MaxAge time.Duration

	// SameSite defaults to http.SameSiteLaxMode.
	SameSite http.SameSite

	// Secure defaults to SecureAlways.
	Secure SecureMode

	// Partitioned keeps the cookie apart for each top-level site that embeds this
	// one (CHIPS). Needs SecureAlways. Defaults to false.
	Partitioned bool

	// UnsafeScriptAccess leaves out HttpOnly, so that any script on the page
	// can read the cookie and send it elsewhere. Defaults to false.
	UnsafeScriptAccess bool
}

// SecureMode says when the cookie has the Secure attribute.
type SecureMode int

const (
	// SecureAlways: always. The cookie is not sent over plain HTTP, except on
	// localhost, where browsers make an exception.
	SecureAlways SecureMode = iota
	// SecureAuto: when the request came over HTTPS. For development and tests, and
	// for clients that make no exception for localhost (Safari, and Go's cookiejar
	// before Go 1.26).
	SecureAuto
	// SecureNever: never. Anybody on the network path can read it.
	SecureNever
)

const maxLifetime = maxage.Longest

// validate checks what net/http does not.
func (c *CookieOptions) validate(check func(bad bool, format string, args ...any)) {
	cookierules.Check(c.cookie("", 0, c.Secure == SecureAlways), check)
	check(c.MaxAge < 0, "Cookie.MaxAge is %v; use 0 for a browser session", c.MaxAge)
	check(c.MaxAge > maxLifetime, "Cookie.MaxAge is %v; browsers keep no cookie longer than 400 days (%v)", c.MaxAge, maxLifetime)
	check(c.Secure < SecureAlways || c.Secure > SecureNever, "Cookie.Secure is %d; use SecureAlways, SecureAuto or SecureNever", c.Secure)
}

// cookie returns what to send for value. maxAge is 0 for a browser session. An
// empty value deletes the cookie in the browser; for that its attributes must be
// those it was set with.
func (o *CookieOptions) cookie(value string, maxAge time.Duration, secure bool) *http.Cookie {
	c := &http.Cookie{
		Name: o.Name, Value: value, Path: o.Path, Domain: o.Domain,
		Secure: secure, HttpOnly: !o.UnsafeScriptAccess, SameSite: o.SameSite, Partitioned: o.Partitioned,
	}
	switch {
	case value == "":
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	case maxAge > 0:
		c.MaxAge = int((maxAge + time.Second - 1) / time.Second)
	}
	return c
}
