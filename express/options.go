package express

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/forwarded"
)

// Options are express-session's, by Go names; the zero value of each is
// express-session's default, except Resave and SaveUninitialized, which its authors
// recommend to turn off. What the two programs
// share, Secrets, Name and the stores' table, must be the same in both.
type Options struct {
	// Secrets is `secret`: the first signs, all verify. At least one, none empty.
	Secrets []string

	// Name is the cookie's name. Defaults to "connect.sid".
	Name string

	// NewID is `genid`. Ids must be hard to guess, and not empty.
	// Defaults to 24 random bytes as 32 characters of base64url.
	NewID func(*http.Request) (string, error)

	// Cookie is `cookie`: the attributes that a session begins with. They are
	// kept with the session, so that a change here is for new sessions.
	Cookie CookieOptions

	// CookieFunc is `cookie` as a function, called for each new session, in
	// place of Cookie. Of what it returns, Path does not decide which requests
	// have a session: that is Cookie.Path. Defaults to none.
	CookieFunc func(*http.Request) CookieOptions

	// Proxy is `proxy`. Defaults to ProxyUndefined.
	Proxy Proxy

	// TrustProxyHops and TrustedProxies are the setting `trust proxy` of Express:
	// a number of hops (of which only whether there is one matters here), or
	// addresses. Consulted with ProxyUndefined. Defaults to none.
	TrustProxyHops int
	TrustedProxies []string

	// Resave is `resave`: write the session with every request.
	Resave bool

	// Rolling is `rolling`: send the cookie with every response.
	Rolling bool

	// SaveUninitialized is `saveUninitialized`: keep sessions with nothing in them.
	SaveUninitialized bool

	// DisableTouch is `disableTouch` of the stores: only a request that changes
	// something moves the expiry, and [sessions.Session.Touch] does nothing.
	DisableTouch bool

	// IdleTimeout is how long an untouched session lives whose cookie has no
	// maxAge: `ttl` of connect-pg-simple, `expiration` of express-mysql-session.
	// Defaults to 24 hours, as there.
	IdleTimeout time.Duration

	// Sessions are the options that have no counterpart in express-session:
	// TouchInterval, MaxBytes, Timeout, Skip, ErrorHandler and Logger. The fields
	// above decide all others, which must be zero; New names those that are not.
	// With TouchInterval at its default the expiry in the table is not written with
	// every request, as Express does, but when it has fallen behind by a tenth, at
	// most a minute.
	Sessions sessions.Options
}

// CookieOptions are the attributes in express-session's `cookie`.
type CookieOptions struct {
	Path     string        // defaults to "/"
	Domain   string        // defaults to none
	MaxAge   time.Duration // in whole milliseconds; 0 is null: until the browser is closed
	Expires  time.Time     // as MaxAge, from the time that is left until then; MaxAge wins
	SameSite SameSite
	Secure   Secure
	Priority Priority

	Partitioned        bool
	UnsafeScriptAccess bool // `httpOnly: false`
}

// SameSite is the attribute of that name.
type SameSite string

// The values of SameSite. "" leaves the attribute out; `true` is SameSiteStrict.
const (
	SameSiteLax    SameSite = "lax"
	SameSiteStrict SameSite = "strict"
	SameSiteNone   SameSite = "none"
	SameSiteAuto   SameSite = "auto" // None for a session that begins on HTTPS, else Lax
)

// Secure says whether the cookie has that attribute. A session whose cookie has it
// is saved on plain HTTP too, but its cookie is not sent.
type Secure int

// The values of Secure.
const (
	SecureFalse Secure = iota
	SecureTrue
	SecureAuto // for a session that begins on HTTPS
)

// Priority is the attribute of that name, which Chromium supports. "" leaves it out.
type Priority string

// The values of Priority.
const (
	PriorityLow    Priority = "low"
	PriorityMedium Priority = "medium"
	PriorityHigh   Priority = "high"
)

// Proxy says what makes a connection secure, beside TLS on the server's own socket.
type Proxy int

const (
	// ProxyUndefined is `proxy: undefined`: what Express's `trust proxy` says.
	ProxyUndefined Proxy = iota
	// ProxyTrue is `proxy: true`: X-Forwarded-Proto is trusted from any sender.
	ProxyTrue
	// ProxyFalse is `proxy: false`: nothing.
	ProxyFalse
)

// Format prints everything but the secrets, for every verb.
func (o Options) Format(f fmt.State, _ rune) {
	type plain Options // without this method
	p := plain(o)
	p.Secrets = nil
	_, _ = fmt.Fprintf(f, "%+v", p)
}

func (o Options) withDefaults() Options {
	o.Name = cmp.Or(o.Name, "connect.sid")
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 24*time.Hour)
	o.Cookie.Path = cmp.Or(o.Cookie.Path, "/")
	if o.NewID == nil {
		o.NewID = newID
	}
	return o
}

// validate finds what express-session finds only when it sends the first cookie.
func (o Options) validate() error {
	var errs []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{sessions.ErrInvalid}, args...)...))
		}
	}
	check(len(o.Secrets) == 0, "Secrets is empty; give those of the Express application, the newest first")
	for i, secret := range o.Secrets {
		check(secret == "", "Secrets[%d] is empty", i)
	}
	check((&http.Cookie{Name: o.Name, Value: "v"}).Valid() != nil, "Name %q is no name for a cookie", o.Name)
	check(o.Cookie.Path[0] != '/', "Cookie.Path %q must begin with /", o.Cookie.Path)
	check(o.Proxy < ProxyUndefined || o.Proxy > ProxyFalse, "Proxy is %d; use ProxyUndefined, ProxyTrue or ProxyFalse", o.Proxy)
	check(o.TrustProxyHops < 0, "TrustProxyHops is %d; use 0 or more", o.TrustProxyHops)
	_, err := forwarded.Parse(o.TrustedProxies)
	check(err != nil, "%v", err)
	given := o.Sessions
	check(given.Secrets != nil, "Sessions.Secrets is set; use Secrets")
	check(given.Cookie != (sessions.CookieOptions{}), "Sessions.Cookie is set; use Name and Cookie")
	check(given.IdleTimeout != 0, "Sessions.IdleTimeout is set; use IdleTimeout")
	check(given.Lifetime != 0, "Sessions.Lifetime is set; Express's sessions have no absolute timeout")
	check(given.TrustedProxies != nil, "Sessions.TrustedProxies is set; use TrustedProxies")
	const node = "which Express would not heed, and its table has no columns for it"
	check(given.RotateAfter != 0, "Sessions.RotateAfter is set, %s", node)
	check(given.EndOnReplay, "Sessions.EndOnReplay is set, %s", node)
	check(given.MaxPerUser != 0, "Sessions.MaxPerUser is set, %s", node)
	check(given.RefuseOverMax, "Sessions.RefuseOverMax is set, %s", node)
	check(given.KeepEnded != 0, "Sessions.KeepEnded is set, %s", node)
	const whose = "but who has logged in is a value of Express' sessions, so users would count as visitors"
	check(given.AnonymousTimeout != 0, "Sessions.AnonymousTimeout is set, %s", whose)
	check(given.AdmitAnonymous != nil, "Sessions.AdmitAnonymous is set, %s", whose)
	if err := o.Cookie.check(); err != nil {
		errs = append(errs, fmt.Errorf("%w: Cookie: %w", sessions.ErrInvalid, err))
	}
	return errors.Join(errs...)
}

// check finds what makes no Set-Cookie line.
func (c CookieOptions) check() error {
	if c.Secure < SecureFalse || c.Secure > SecureAuto {
		return fmt.Errorf("Secure is %d; use SecureFalse, SecureTrue or SecureAuto", c.Secure)
	}
	a := c.attributes(true, time.Now())
	_, err := a.line("n", "v")
	return err
}

// attributes is what upstream's store.generate makes of its cookie option.
func (c CookieOptions) attributes(secure bool, now time.Time) attributes {
	a := newAttributes()
	if c.Path != "" {
		a.path = textOf(c.Path)
	}
	for field, option := range map[*value]string{
		&a.domain: c.Domain, &a.sameSite: string(c.SameSite), &a.priority: string(c.Priority),
	} {
		if option != "" {
			*field = textOf(option)
		}
	}
	a.secure = map[Secure]value{SecureTrue: booleanOf(true), SecureAuto: textOf("auto")}[c.Secure]
	if c.Partitioned {
		a.partitioned = booleanOf(true)
	}
	if c.UnsafeScriptAccess {
		a.httpOnly = booleanOf(false)
	}
	switch {
	case c.MaxAge != 0:
		a.startAge(milliseconds(c.MaxAge), now)
	case !c.Expires.IsZero():
		a.setExpires(dateAt(c.Expires), now)
	}
	a.resolve(secure)
	return a
}

func milliseconds(d time.Duration) value { return numberOf(float64(d.Milliseconds())) }
