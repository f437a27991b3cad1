package express_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// A connection is how a request arrives.
type connection struct {
	tls   bool
	proto string // X-Forwarded-Proto
	peer  string
}

var (
	plain     = connection{}
	direct    = connection{tls: true}
	forwarded = connection{proto: "https"}
)

func (c connection) request(r *http.Request) {
	if c.tls {
		r.TLS = &tls.ConnectionState{}
	}
	if c.peer != "" {
		r.RemoteAddr = c.peer
	}
	if c.proto != "" {
		r.Header.Set("X-Forwarded-Proto", c.proto)
	}
}

func proxy(p express.Proxy) func(*express.Options) { return func(o *express.Options) { o.Proxy = p } }

func trusting(o *express.Options) { o.TrustProxyHops = 1 }

func trustingPeer(o *express.Options) {
	o.TrustedProxies = []string{"192.0.2.0/24"} // httptest's
}

func trustingAnother(o *express.Options) {
	o.TrustedProxies = []string{"198.51.100.0/24"}
}

func secureIs(to express.Secure) func(*express.Options) {
	return func(o *express.Options) { o.Cookie.Secure = to }
}

func sameSiteIs(to express.SameSite) func(*express.Options) {
	return func(o *express.Options) { o.Cookie.SameSite = to }
}

// What Express calls req.secure is TrustProxyHops and TrustedProxies here.
func TestConformanceConnection(t *testing.T) {
	t.Parallel()
	type options []func(*express.Options)
	const site, secured = "Path=/; HttpOnly; SameSite=", "Path=/; HttpOnly; Secure"
	for _, c := range []struct {
		lines   []int
		name    string
		options options
		via     connection
		want    string
	}{
		{[]int{598}, "proxy, forwarded", options{proxy(express.ProxyTrue), secureIs(express.SecureTrue)}, forwarded, secured},
		{[]int{606}, "proxy, a list", options{proxy(express.ProxyTrue), secureIs(express.SecureTrue)}, connection{proto: "https,http"}, secured},
		{nil, "proxy, a list with spaces", options{proxy(express.ProxyTrue), secureIs(express.SecureTrue)}, connection{proto: " HTTPS , http"}, secured},
		{nil, "proxy, a list that begins with http", options{proxy(express.ProxyTrue), secureIs(express.SecureTrue)}, connection{proto: "http,https"}, ""},
		{nil, "proxy, another word", options{proxy(express.ProxyTrue), secureIs(express.SecureTrue)}, connection{proto: "httpss"}, ""},
		{[]int{614}, "proxy, no header", options{proxy(express.ProxyTrue), secureIs(express.SecureTrue)}, plain, ""},
		{[]int{637}, "no proxy, forwarded", options{proxy(express.ProxyFalse), secureIs(express.SecureTrue)}, forwarded, ""},
		{[]int{645}, "no proxy, whatever is trusted", options{proxy(express.ProxyFalse), trusting, secureIs(express.SecureTrue)}, forwarded, ""},
		{nil, "no proxy, TLS", options{proxy(express.ProxyFalse), secureIs(express.SecureTrue)}, direct, secured},
		{[]int{670}, "nothing said, forwarded", options{secureIs(express.SecureTrue)}, forwarded, ""},
		{[]int{678}, "a trusted hop, forwarded", options{trusting, secureIs(express.SecureTrue)}, forwarded, secured},
		{nil, "a trusted peer, forwarded", options{trustingPeer, secureIs(express.SecureTrue)}, forwarded, secured},
		{nil, "a trusted peer on a socket for both", options{trustingPeer, secureIs(express.SecureTrue)}, connection{proto: "https", peer: "[::ffff:192.0.2.7]:80"}, secured},
		{nil, "another peer, forwarded", options{trustingAnother, secureIs(express.SecureTrue)}, forwarded, ""},
		{nil, "a trusted peer, not forwarded", options{trustingPeer, secureIs(express.SecureTrue)}, plain, ""},
		{[]int{751}, "auto, proxy, forwarded", options{proxy(express.ProxyTrue), secureIs(express.SecureAuto)}, forwarded, secured},
		{[]int{765}, "auto, no proxy, forwarded", options{proxy(express.ProxyFalse), secureIs(express.SecureAuto)}, forwarded, "Path=/; HttpOnly"},
		{[]int{787}, "auto, trusted, forwarded", options{trusting, secureIs(express.SecureAuto)}, forwarded, secured},
		{[]int{795}, "auto, trusted, not forwarded", options{trusting, secureIs(express.SecureAuto)}, connection{proto: "http"}, "Path=/; HttpOnly"},
		{[]int{2299}, "secure, TLS", options{secureIs(express.SecureTrue)}, direct, secured},
		{[]int{871}, "site auto, secure", options{sameSiteIs(express.SameSiteAuto)}, direct, site + "None"},
		{[]int{879}, "site auto, not secure", options{sameSiteIs(express.SameSiteAuto)}, plain, site + "Lax"},
		{[]int{894}, "site auto, proxy, https", options{proxy(express.ProxyTrue), sameSiteIs(express.SameSiteAuto)}, forwarded, site + "None"},
		{[]int{902}, "site auto, proxy, http", options{proxy(express.ProxyTrue), sameSiteIs(express.SameSiteAuto)}, connection{proto: "http"}, site + "Lax"},
		{[]int{916}, "site auto, no proxy, https", options{proxy(express.ProxyFalse), sameSiteIs(express.SameSiteAuto)}, forwarded, site + "Lax"},
		{[]int{940}, "both auto, secure", options{secureIs(express.SecureAuto), sameSiteIs(express.SameSiteAuto)}, direct, secured + "; SameSite=None"},
		{[]int{949}, "both auto, not secure", options{secureIs(express.SecureAuto), sameSiteIs(express.SameSiteAuto)}, plain, site + "Lax"},
		{[]int{972}, "site auto alone, secure", options{secureIs(express.SecureFalse), sameSiteIs(express.SameSiteAuto)}, direct, site + "None"},
		{[]int{981}, "site auto alone, not secure", options{secureIs(express.SecureFalse), sameSiteIs(express.SameSiteAuto)}, plain, site + "Lax"},
		{[]int{1004}, "site auto, secure true, secure", options{secureIs(express.SecureTrue), sameSiteIs(express.SameSiteAuto)}, direct, secured + "; SameSite=None"},
		{[]int{1013}, "site auto, secure true, not secure", options{secureIs(express.SecureTrue), sameSiteIs(express.SameSiteAuto)}, plain, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			express.Covers(t, "session.js", c.lines...)
			store := newSpy()
			b := newBrowser(t, newManager(t, store, c.options...))
			b.request = c.via.request
			res := b.visit(change)
			wantAttributes(t, res, c.want)
			wantOps(t, store, "set") // with or without a cookie
		})
	}
}

func TestConformancePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines []int
		uri   string
		mount string
		path  string
		want  bool
	}{
		{[]int{695}, "/", "", "/foo/bar", false},
		{[]int{702}, "http://foo/bar", "", "/foo/bar", false},
		{nil, "http://other/foo/bar", "", "/foo/bar", true},
		{[]int{710}, "/foo/bar", "", "/foo/bar", true},
		{[]int{717}, "/foo/bar/baz", "", "/foo/bar", true},
		{nil, "/foo/bar?a=/", "", "/foo/bar", true},
		{nil, "/foo/", "", "/foo/", true},
		{nil, "/foo/bar", "", "/foo/", true},
		{nil, "/foo", "", "/foo/", false},
		{nil, "/Foo/bar", "", "/foo/bar", false},
		{nil, "/%66oo/bar", "", "/foo/bar", false},
		{nil, "/foo/barn", "", "/foo/bar", false}, // to Express it is under the path; no browser sends the cookie there
		// Where the handler is mounted does not count.
		{[]int{729}, "/foo/bar", "/foo", "/foo/bar", true},
		{[]int{736}, "/foo/foo/bar", "/foo", "/foo/bar", false},
	} {
		t.Run(c.mount+c.uri, func(t *testing.T) {
			t.Parallel()
			express.Covers(t, "session.js", c.lines...)
			m := newManager(t, newSpy(), func(o *express.Options) { o.Cookie.Path = c.path })
			h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s := sessions.FromContext(r.Context()); s != nil {
					change(s)
				}
			}))
			w := newRecorded(t, c.uri)
			http.StripPrefix(c.mount, h).ServeHTTP(w.ResponseRecorder, w.request)
			res := w.Result()
			wantCookie(t, res, c.want)
			if c.want && !strings.Contains(res.Header.Get("Set-Cookie"), "; Path="+c.path+";") {
				t.Error(res.Header["Set-Cookie"])
			}
		})
	}
}

func TestConformanceCookieFunction(t *testing.T) {
	conform(t, []conformanceTest{
		{[]int{806}, "its attributes count", func(t *testing.T) {
			calls := 0
			b := newBrowser(t, newManager(t, newSpy(), func(o *express.Options) {
				o.CookieFunc = func(*http.Request) express.CookieOptions {
					calls++
					return express.CookieOptions{Path: "/bar", MaxAge: time.Minute, UnsafeScriptAccess: true}
				}
			}))
			wantAttributes(t, b.visit(change), "Path=/bar; Expires=Sat, 01 Jan 2000 00:01:00 GMT")
			if calls != 1 { // Express asks it for the path with each request as well
				t.Errorf("called %d times", calls)
			}
		}},
		{[]int{831}, "it has the request", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), func(o *express.Options) {
				o.CookieFunc = func(r *http.Request) express.CookieOptions {
					return express.CookieOptions{MaxAge: time.Duration(len(r.Header.Get("X-Age"))) * time.Second}
				}
			}))
			b.request = func(r *http.Request) { r.Header.Set("X-Age", "xxx") }
			wantAttributes(t, b.visit(change), "Path=/; Expires=Sat, 01 Jan 2000 00:00:03 GMT; HttpOnly")
		}},
		// Express stores the word "auto" and sends no cookie.
		{nil, "it can say auto", func(t *testing.T) {
			for via, want := range map[connection]string{
				plain: "Path=/; HttpOnly; SameSite=Lax", direct: "Path=/; HttpOnly; Secure; SameSite=None",
			} {
				b := newBrowser(t, newManager(t, newSpy(), func(o *express.Options) {
					o.CookieFunc = func(*http.Request) express.CookieOptions {
						return express.CookieOptions{Secure: express.SecureAuto, SameSite: express.SameSiteAuto}
					}
				}))
				b.request = via.request
				wantAttributes(t, b.visit(change), want)
			}
		}},
		// Express writes the row, answers 200 and sends no cookie.
		{nil, "what makes no cookie is an error", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, func(o *express.Options) {
				o.CookieFunc = func(*http.Request) express.CookieOptions { return express.CookieOptions{Domain: "a b"} }
			}))
			res := b.visit(func(*sessions.Session) { t.Error("the handler ran") })
			wantStatus(t, res, http.StatusInternalServerError)
			wantOps(t, store)
		}},
	})
}
