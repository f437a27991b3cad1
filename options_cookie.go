package sessions

import (
	"net/http"
	"net/netip"
	"strings"
	"time"
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
	// 400 days. An unused session lives at least that long, within Lifetime.
	// Defaults to 0: until the browser is closed. [Session.SetMaxAge] sets it for
	// one session.
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

// maxLifetime is the longest that browsers keep a cookie (RFC 6265bis, section 5.5).
const maxLifetime = 400 * 24 * time.Hour

// validate checks what net/http does not: http.SetCookie sends a __Host-
// cookie with a Domain, and silently drops bytes it does not accept.
func (c *CookieOptions) validate(check func(bad bool, format string, args ...any)) {
	check(c.Name == "" || len(c.Name) > 128 || strings.ContainsFunc(c.Name, notToken),
		"Cookie.Name %q is not a token of 1 to 128 letters, digits and !#$%%&'*+-.^_`|~", c.Name)
	check(c.Path[0] != '/' || len(c.Path) > 1024 || strings.ContainsFunc(c.Path, notPath),
		"Cookie.Path %q must begin with / and hold only printable ASCII without ;", c.Path)
	c.validateDomain(check)
	c.validatePrefix(check)

	check(c.MaxAge < 0, "Cookie.MaxAge is %v; use 0 for a browser session", c.MaxAge)
	check(c.MaxAge > maxLifetime, "Cookie.MaxAge is %v; browsers keep no cookie longer than 400 days (%v)", c.MaxAge, maxLifetime)
	check(c.Secure < SecureAlways || c.Secure > SecureNever, "Cookie.Secure is %d; use SecureAlways, SecureAuto or SecureNever", c.Secure)
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		check(c.Secure != SecureAlways, "Cookie.SameSite is None, which browsers take only with Secure; set Cookie.Secure to SecureAlways or SameSite to Lax")
	default:
		check(true, "Cookie.SameSite is %d; use http.SameSiteLaxMode, http.SameSiteStrictMode or http.SameSiteNoneMode", c.SameSite)
	}
	check(c.Partitioned && c.Secure != SecureAlways, "Cookie.Partitioned needs Secure; set Cookie.Secure to SecureAlways")
}

// validatePrefix checks the rules of RFC 6265bis, section 4.1.3, and of the layered
// cookies draft. Browsers ignore the case of the prefix.
func (c *CookieOptions) validatePrefix(check func(bool, string, ...any)) {
	name := strings.ToLower(c.Name)
	host := strings.HasPrefix(name, "__host-")
	httpOnly := strings.HasPrefix(name, "__http-") || strings.HasPrefix(name, "__host-http-")
	if !host && !httpOnly && !strings.HasPrefix(name, "__secure-") {
		return
	}
	check(c.Secure != SecureAlways, "Cookie.Name %q needs Secure; set Cookie.Secure to SecureAlways or use a name without the prefix, such as \"session\"", c.Name)
	check(host && c.Path != "/", "Cookie.Name %q needs Path \"/\", not %q; use the prefix __Secure- or drop Path", c.Name, c.Path)
	check(host && c.Domain != "", "Cookie.Name %q allows no Domain; use the prefix __Secure- or drop Domain %q", c.Name, c.Domain)
	check(httpOnly && c.UnsafeScriptAccess, "Cookie.Name %q needs HttpOnly; drop UnsafeScriptAccess", c.Name)
}

func (c *CookieOptions) validateDomain(check func(bool, string, ...any)) {
	d := c.Domain
	if d == "" {
		return
	}
	_, err := netip.ParseAddr(d)
	check(err == nil, "Cookie.Domain %q is an address; leave Domain out", d)
	check(strings.HasPrefix(d, "."), "Cookie.Domain %q begins with a dot; drop the dot, subdomains are included anyway", d)
	// net/http silently leaves out a Domain that it does not accept.
	check(len(d) > 253 || strings.ContainsFunc(d, notDomain) || (&http.Cookie{Name: "a", Domain: d}).Valid() != nil,
		"Cookie.Domain %q is not a host name; use letters, digits, - and dots, without port or scheme (punycode for others)", d)
	check(!strings.Contains(strings.Trim(d, "."), "."), "Cookie.Domain %q has one label, which browsers refuse; leave Domain out", d)
}

func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
}

func notPath(r rune) bool { return r < ' ' || r >= 0x7f || r == ';' }

func notDomain(r rune) bool {
	return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}
