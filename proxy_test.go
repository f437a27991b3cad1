package sessions

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"
)

func TestIsHTTPS(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	const proxy, stranger = "10.1.2.3:4567", "192.0.2.1:4567"
	xfp := func(lines ...string) http.Header { return http.Header{"X-Forwarded-Proto": lines} }
	fwd := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	both := func(x, f string) http.Header {
		return http.Header{"X-Forwarded-Proto": {x}, "Forwarded": {f}}
	}
	for _, c := range []struct {
		what   string
		remote string
		header http.Header
		want   bool
	}{
		{"no header", proxy, nil, false},
		{"https", proxy, xfp("https"), true},
		{"mixed case and space", proxy, xfp(" HttpS "), true},
		{"http", proxy, xfp("http"), false},
		{"empty", proxy, xfp(""), false},
		{"list of https", proxy, xfp("https, https"), true},
		{"client said https, proxy http", proxy, xfp("https, http"), false},
		{"client said http, proxy https", proxy, xfp("http, https"), false},
		{"trailing comma", proxy, xfp("https,"), false},
		{"two lines", proxy, xfp("https", "https"), true},
		{"two lines that differ", proxy, xfp("https", "http"), false},
		{"two lines that differ, reversed", proxy, xfp("http", "https"), false},
		{"httpsx", proxy, xfp("httpsx"), false},
		{"wss", proxy, xfp("wss"), false},

		{"Forwarded", proxy, fwd("for=1.2.3.4;proto=https;by=5.6.7.8"), true},
		{"Forwarded, quoted, mixed case", proxy, fwd(`For="[2001:db8::1]"; PROTO="HTTPS"`), true},
		{"Forwarded http", proxy, fwd("proto=http"), false},
		{"Forwarded without proto", proxy, fwd("for=1.2.3.4"), false},
		{"Forwarded, two hops", proxy, fwd("proto=https, proto=https"), true},
		{"Forwarded, hops that differ", proxy, fwd("proto=https, proto=http"), false},
		{"Forwarded, one hop silent", proxy, fwd("for=1.2.3.4, proto=https"), true},
		{"Forwarded, lines that differ", proxy, fwd("proto=https", "proto=http"), false},
		{"Forwarded with an empty proto", proxy, fwd("proto="), false},

		{"both say https", proxy, both("https", "proto=https"), true},
		{"they contradict", proxy, both("https", "proto=http"), false},
		{"they contradict the other way", proxy, both("http", "proto=https"), false},
		{"Forwarded silent", proxy, both("https", "for=1.2.3.4"), true},

		{"other headers", proxy, http.Header{"X-Forwarded-Ssl": {"on"}, "Front-End-Https": {"on"}, "X-Forwarded-Scheme": {"https"}}, false},
		{"underscores", proxy, http.Header{"X_forwarded_proto": {"https"}}, false},

		{"stranger", stranger, xfp("https"), false},
		{"stranger, Forwarded", stranger, fwd("proto=https"), false},
		{"neighbour of the range", "11.0.0.1:1", xfp("https"), false},
		{"IPv6 proxy", "[fd00::1]:80", xfp("https"), true},
		{"IPv6 stranger", "[2001:db8::1]:80", xfp("https"), false},
		{"IPv4-mapped proxy", "[::ffff:10.1.2.3]:80", xfp("https"), true},
		{"IPv4-mapped stranger", "[::ffff:192.0.2.1]:80", xfp("https"), false},
		{"unix socket", "@", xfp("https"), false},
		{"no address", "", xfp("https"), false},
		{"address without port", "10.1.2.3", xfp("https"), false},
		{"name", "proxy.internal:80", xfp("https"), false},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: c.header}
		if got := isHTTPS(r, trusted); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
		if isHTTPS(r, nil) {
			t.Errorf("%s: believed without TrustedProxies", c.what)
		}
		r.TLS = new(tls.ConnectionState)
		if !isHTTPS(r, trusted) || !isHTTPS(r, nil) {
			t.Errorf("%s: TLS on the own socket was not believed", c.what)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost":             true,
		"LocalHost:8080":        true,
		"app.localhost":         true,
		"a.b.LOCALHOST:3000":    true,
		"127.0.0.1":             true,
		"127.0.0.1:80":          true,
		"127.9.9.9":             true,
		"[::1]":                 true,
		"[::1]:8080":            true,
		"":                      false,
		"example.com":           false,
		"localhost.example.com": false,
		"notlocalhost":          false,
		"127.0.0.1.example.com": false,
		"128.0.0.1":             false,
		"[::2]:80":              false,
		"10.0.0.1":              false,
		"0.0.0.0":               false,
		"localhost@example.com": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

func TestWhetherACookieIsSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode     SecureMode
		https    bool
		host     string
		withheld bool
		secure   bool
	}{
		{SecureAlways, true, "example.com", false, true},
		{SecureAlways, false, "example.com", true, true},
		{SecureAlways, false, "localhost:8080", false, true},
		{SecureAuto, true, "example.com", false, true},
		{SecureAuto, false, "example.com", false, false},
		{SecureAuto, false, "localhost:8080", false, false},
		{SecureNever, true, "example.com", false, false},
		{SecureNever, false, "example.com", false, false},
	} {
		n := nativeProtocol{options: &Options{Cookie: CookieOptions{Secure: c.mode}}}
		r := &http.Request{Host: c.host}
		if c.https {
			r.TLS = new(tls.ConnectionState)
		}
		if withheld, secure := n.Sends(r); withheld != c.withheld || secure != c.secure {
			t.Errorf("%+v: withheld %v, secure %v", c, withheld, secure)
		}
	}
}
