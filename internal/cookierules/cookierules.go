// Package cookierules checks what net/http does not: http.SetCookie sends a __Host- cookie
// with a Domain, and silently drops bytes it does not accept.
package cookierules

import (
	"net/http"
	"net/netip"
	"strings"
)

// Check calls check with each rule that browsers have for a cookie's name, path and domain.
// The texts name the options of package sessions.
func Check(c *http.Cookie, check func(bad bool, format string, args ...any)) {
	check(c.Name == "" || len(c.Name) > 128 || strings.ContainsFunc(c.Name, notToken),
		"Cookie.Name %q is not a token of 1 to 128 letters, digits and !#$%%&'*+-.^_`|~", c.Name)
	check(c.Path[0] != '/' || len(c.Path) > 1024 || strings.ContainsFunc(c.Path, notPath),
		"Cookie.Path %q must begin with / and hold only printable ASCII without ;", c.Path)
	domain(c.Domain, check)
	prefix(c, check)
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		check(!c.Secure, "Cookie.SameSite is None, which browsers take only with Secure; set Cookie.Secure to SecureAlways or SameSite to Lax")
	default:
		check(true, "Cookie.SameSite is %d; use http.SameSiteLaxMode, http.SameSiteStrictMode or http.SameSiteNoneMode", c.SameSite)
	}
	check(c.Partitioned && !c.Secure, "Cookie.Partitioned needs Secure; set Cookie.Secure to SecureAlways")
}

// prefix checks the rules of RFC 6265bis, section 4.1.3, and of the layered
// cookies draft. Browsers ignore the case of the prefix.
func prefix(c *http.Cookie, check func(bool, string, ...any)) {
	name := strings.ToLower(c.Name)
	host := strings.HasPrefix(name, "__host-")
	httpOnly := strings.HasPrefix(name, "__http-") || strings.HasPrefix(name, "__host-http-")
	if !host && !httpOnly && !strings.HasPrefix(name, "__secure-") {
		return
	}
	check(!c.Secure, "Cookie.Name %q needs Secure; set Cookie.Secure to SecureAlways or use a name without the prefix, such as \"session\"", c.Name)
	check(host && c.Path != "/", "Cookie.Name %q needs Path \"/\", not %q; use the prefix __Secure- or drop Path", c.Name, c.Path)
	check(host && c.Domain != "", "Cookie.Name %q allows no Domain; use the prefix __Secure- or drop Domain %q", c.Name, c.Domain)
	check(httpOnly && !c.HttpOnly, "Cookie.Name %q needs HttpOnly; drop UnsafeScriptAccess", c.Name)
}

func domain(d string, check func(bool, string, ...any)) {
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
