package sessions_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// newError returns what New says about the valid options with a change.
func newError(change func(*sessions.Options)) error {
	o := sessions.Options{Secrets: [][]byte{secretA}}
	change(&o)
	_, err := sessions.New(memstore.New(), o)
	return err
}

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	type o = sessions.Options
	for _, c := range []struct {
		field string
		hint  string // what to do
		set   func(*o)
	}{
		{"Secrets", "openssl rand", func(o *o) { o.Secrets = nil }},
		{"Secrets", "openssl rand", func(o *o) { o.Secrets = [][]byte{} }},
		{"Secrets[0]", "at least 32", func(o *o) { o.Secrets = [][]byte{nil} }},
		{"Secrets[0]", "at least 32", func(o *o) { o.Secrets = [][]byte{secretA[:31]} }},
		{"Secrets[0]", "at least 32", func(o *o) { o.Secrets = [][]byte{[]byte("keyboard cat")} }},
		{"Secrets[1]", "at least 32", func(o *o) { o.Secrets = [][]byte{secretA, []byte("short")} }},
		{"Secrets[0]", "random", func(o *o) { o.Secrets = [][]byte{make([]byte, 32)} }},
		{"Secrets[1]", "random", func(o *o) { o.Secrets = [][]byte{secretA, bytes.Repeat([]byte("a"), 64)} }},
		{"Lifetime", "at least a second", func(o *o) { o.Lifetime, o.IdleTimeout = time.Millisecond, time.Hour }},
		{"Lifetime", "at least a second", func(o *o) { o.Lifetime = -time.Hour }},
		{"Lifetime", "400 days", func(o *o) { o.Lifetime = 400*24*time.Hour + 1 }},
		{"IdleTimeout", "at least a second", func(o *o) { o.IdleTimeout = time.Millisecond }},
		{"IdleTimeout", "at least a second", func(o *o) { o.IdleTimeout = -1 }},
		{"IdleTimeout", "raise Lifetime", func(o *o) { o.IdleTimeout, o.Lifetime = 2*time.Hour, time.Hour }},
		{"TouchInterval", "half of IdleTimeout", func(o *o) { o.IdleTimeout, o.TouchInterval = time.Hour, 30*time.Minute+1 }},
		{"AnonymousTimeout", "at least a second", func(o *o) { o.AnonymousTimeout = time.Millisecond }},
		{"AnonymousTimeout", "at least a second", func(o *o) { o.AnonymousTimeout = -time.Hour }},
		{"AnonymousTimeout", "lower it", func(o *o) { o.IdleTimeout, o.AnonymousTimeout = time.Hour, time.Hour+1 }},
		{"TouchInterval", "and of AnonymousTimeout (30s)", func(o *o) { o.AnonymousTimeout, o.TouchInterval = time.Minute, 30*time.Second+1 }},
		{"MaxBytes", "1048576", func(o *o) { o.MaxBytes = -1 }},
		{"MaxBytes", "table of their own", func(o *o) { o.MaxBytes = 1<<20 + 1 }},
		{"Timeout", "positive", func(o *o) { o.Timeout = -1 }},
		{"TrustedProxies[1]", "a range such as", func(o *o) { o.TrustedProxies = []string{"10.0.0.0/8", ""} }},

		{"Cookie.Name", "token", func(o *o) { o.Cookie.Name = "a b" }},
		{"Cookie.Name", "token", func(o *o) { o.Cookie.Name = "a;b" }},
		{"Cookie.Name", "token", func(o *o) { o.Cookie.Name = "a=b" }},
		{"Cookie.Name", "token", func(o *o) { o.Cookie.Name = "a\r\nb" }},
		{"Cookie.Name", "token", func(o *o) { o.Cookie.Name = "\x00" }},
		{"Cookie.Name", "token", func(o *o) { o.Cookie.Name = "sëssion" }},
		{"Cookie.Name", "128", func(o *o) { o.Cookie.Name = strings.Repeat("n", 129) }},
		{"Cookie.Path", "begin with /", func(o *o) { o.Cookie.Path = "app" }},
		{"Cookie.Path", "without ;", func(o *o) { o.Cookie.Path = "/;Domain=evil" }},
		{"Cookie.Path", "ASCII", func(o *o) { o.Cookie.Path = "/\r\nX: y" }},
		{"Cookie.Path", "ASCII", func(o *o) { o.Cookie.Path = "/ü" }},
		{"Cookie.Path", "begin with /", func(o *o) { o.Cookie.Path = "/" + strings.Repeat("p", 1024) }},
		{"Cookie.Domain", "address", func(o *o) { o.Cookie.Domain = "192.0.2.1" }},
		{"Cookie.Domain", "address", func(o *o) { o.Cookie.Domain = "2001:db8::1" }},
		{"Cookie.Domain", "drop the dot", func(o *o) { o.Cookie.Domain = ".example.com" }},
		{"Cookie.Domain", "without port", func(o *o) { o.Cookie.Domain = "example.com:80" }},
		{"Cookie.Domain", "scheme", func(o *o) { o.Cookie.Domain = "https://example.com" }},
		{"Cookie.Domain", "punycode", func(o *o) { o.Cookie.Domain = "exämple.com" }},
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = "example.com\r\n" }},
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = strings.Repeat("abcdefghi.", 25) + "long" }},
		// net/http drops these from the header and says nothing.
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = "a..example.com" }},
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = "-a.example.com" }},
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = "a-.example.com" }},
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = "1.2" }},
		{"Cookie.Domain", "host name", func(o *o) { o.Cookie.Domain = strings.Repeat("a", 64) + ".example.com" }},
		{"Cookie.Domain", "one label", func(o *o) { o.Cookie.Domain = "localhost" }},
		{"Cookie.MaxAge", "use 0", func(o *o) { o.Cookie.MaxAge = -1 }},
		{"Cookie.MaxAge", "400 days", func(o *o) { o.Cookie.MaxAge = 1<<63 - 1 }},
		{"Cookie.Secure", "SecureAlways, SecureAuto or SecureNever", func(o *o) { o.Cookie.Secure = 3 }},
		{"Cookie.Secure", "SecureAlways, SecureAuto or SecureNever", func(o *o) { o.Cookie.Secure = -1 }},
		{"Cookie.SameSite", "SameSiteLaxMode", func(o *o) { o.Cookie.SameSite = http.SameSiteDefaultMode }},
		{"Cookie.SameSite", "SameSiteLaxMode", func(o *o) { o.Cookie.SameSite = 99 }},
		{"Cookie.SameSite", "SecureAlways", func(o *o) {
			o.Cookie.SameSite, o.Cookie.Secure = http.SameSiteNoneMode, sessions.SecureAuto
		}},
		{"Cookie.SameSite", "SecureAlways", func(o *o) {
			o.Cookie.SameSite, o.Cookie.Secure = http.SameSiteNoneMode, sessions.SecureNever
		}},
		{"Cookie.Partitioned", "SecureAlways", func(o *o) {
			o.Cookie.Partitioned, o.Cookie.Secure = true, sessions.SecureAuto
		}},
	} {
		err := newError(c.set)
		if !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("%s (%s): New returns %v", c.field, c.hint, err)
			continue
		}
		found := false
		for line := range strings.Lines(err.Error()) {
			found = found || strings.HasPrefix(line, "sessions: invalid option or argument: "+c.field) && strings.Contains(line, c.hint)
		}
		if !found {
			t.Errorf("no line begins with %s and says %q: %v", c.field, c.hint, err)
		}
		if strings.Contains(err.Error(), "keyboard cat") || strings.Contains(err.Error(), string(secretA[:8])) {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
}

func TestOptionsThatAreAccepted(t *testing.T) {
	t.Parallel()
	type o = sessions.Options
	for what, set := range map[string]func(*o){
		"the zero value of all but Secrets": func(*o) {},
		"shortest":                          func(o *o) { o.Lifetime, o.IdleTimeout = time.Second, time.Second },
		"short lifetime alone":              func(o *o) { o.Lifetime = time.Minute },
		"longest":                           func(o *o) { o.Lifetime, o.IdleTimeout = 400*24*time.Hour, 400*24*time.Hour },
		"touch at half":                     func(o *o) { o.IdleTimeout, o.TouchInterval = time.Hour, 30*time.Minute },
		"visitors as users":                 func(o *o) { o.IdleTimeout, o.AnonymousTimeout = time.Hour, time.Hour },
		"visitors for a second":             func(o *o) { o.AnonymousTimeout = time.Second },
		"touch at half of the shorter":      func(o *o) { o.AnonymousTimeout, o.TouchInterval = time.Minute, 30*time.Second },
		"one byte":                          func(o *o) { o.MaxBytes = 1 },
		"a mebibyte":                        func(o *o) { o.MaxBytes = 1 << 20 },
		"all token characters":              func(o *o) { o.Cookie.Name = "!#$%&'*+-.^_`|~09azAZ" },
		"None over Secure":                  func(o *o) { o.Cookie.SameSite = http.SameSiteNoneMode },
		"domain":                            func(o *o) { o.Cookie.Domain = "xn--exmple-cua.Example-1.com" },
		"max age beyond lifetime":           func(o *o) { o.Lifetime, o.Cookie.MaxAge = time.Hour, 400*24*time.Hour },
	} {
		if err := newError(set); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAllErrorsOfTheOptionsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := sessions.New(nil, sessions.Options{
		Lifetime: 500 * 24 * time.Hour, MaxBytes: -1, Timeout: -1,
		Cookie: sessions.CookieOptions{Name: "a b", Path: "x", MaxAge: -1, Secure: 7, SameSite: 9},
	})
	for _, field := range []string{
		"Secrets", "Lifetime", "MaxBytes", "Timeout", "Cookie.Name", "Cookie.Path", "Cookie.MaxAge", "Cookie.Secure", "Cookie.SameSite",
	} {
		if err == nil || !strings.Contains(err.Error(), "sessions: invalid option or argument: "+field+" ") {
			t.Errorf("%s is missing in: %v", field, err)
		}
	}
}

func TestANilStoreIsRefused(t *testing.T) {
	t.Parallel()
	_, err := sessions.New(nil, sessions.Options{Secrets: [][]byte{secretA}})
	if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "store is nil") {
		t.Errorf("New returns %v", err)
	}
}

// The rules are those of RFC 6265bis and of the layered cookies draft.
func TestCookieNamePrefixes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"sid", "host-sid", "_Host-sid", "__Hostsid",
		"__Host-sid", "__HOST-sid", "__host-sid", "__Secure-sid", "__sEcUrE-sid",
		"__Http-sid", "__HTTP-sid", "__Host-Http-sid", "__host-http-sid",
	} {
		lower := strings.ToLower(name)
		host := strings.HasPrefix(lower, "__host-")
		httpOnly := strings.HasPrefix(lower, "__http-") || strings.HasPrefix(lower, "__host-http-")
		prefixed := host || httpOnly || strings.HasPrefix(lower, "__secure-")
		for bits := range 32 {
			c := sessions.CookieOptions{Name: name}
			if bits&1 != 0 {
				c.Path = "/app"
			}
			if bits&2 != 0 {
				c.Domain = "example.com"
			}
			if bits&4 != 0 {
				c.UnsafeScriptAccess = true
			}
			c.Secure = []sessions.SecureMode{sessions.SecureAlways, sessions.SecureAuto, sessions.SecureNever, sessions.SecureAlways}[bits>>3]
			allowed := !prefixed || c.Secure == sessions.SecureAlways &&
				(!host || c.Path == "" && c.Domain == "") && (!httpOnly || !c.UnsafeScriptAccess)
			if err := newError(func(o *sessions.Options) { o.Cookie = c }); (err == nil) != allowed {
				t.Errorf("%+v: New returns %v, want it allowed: %v", c, err, allowed)
			}
		}
	}
}
