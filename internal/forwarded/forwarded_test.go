package forwarded

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
)

func TestHTTPS(t *testing.T) {
	t.Parallel()
	trusted, err := Parse([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	var none Proxies
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
		{"wss", proxy, xfp("wss"), true},
		{"ws", proxy, xfp("ws"), false},
		{"wss before https", proxy, xfp("WSS, https"), true},
		{"wss, then ws", proxy, xfp("wss, ws"), false},

		{"Forwarded", proxy, fwd("for=1.2.3.4;proto=https;by=5.6.7.8"), true},
		{"Forwarded, quoted, mixed case", proxy, fwd(`For="[2001:db8::1]"; PROTO="HTTPS"`), true},
		{"Forwarded wss", proxy, fwd("proto=wss"), true},
		{"Forwarded ws", proxy, fwd("proto=ws"), false},
		{"Forwarded http", proxy, fwd("proto=http"), false},
		{"Forwarded without proto", proxy, fwd("for=1.2.3.4"), false},
		{"Forwarded, two hops", proxy, fwd("proto=https, proto=https"), true},
		{"Forwarded, hops that differ", proxy, fwd("proto=https, proto=http"), false},
		{"Forwarded, one hop silent", proxy, fwd("for=1.2.3.4, proto=https"), true},
		{"Forwarded, lines that differ", proxy, fwd("proto=https", "proto=http"), false},
		{"Forwarded with an empty proto", proxy, fwd("proto="), false},
		{"Forwarded, proto inside of quotes", proxy, fwd(`for=1.2.3.4;host="a;proto=https"`), false},
		{"Forwarded, an element inside of quotes", proxy, fwd(`for=1.2.3.4;host="a,proto=https"`), false},
		{"Forwarded, an escaped quote", proxy, fwd(`host="a\";proto=https"`), false},
		{"Forwarded, a quote that is not closed", proxy, fwd(`proto=https;host="a`), false},
		{"Forwarded, a closing quote that is escaped", proxy, fwd(`proto=https;host="a\"`), false},
		{"Forwarded, a quote from line to line", proxy, fwd(`host="a`, `proto=https;host=b"`), false},
		{"Forwarded, a quote inside of a value", proxy, fwd(`host=a";proto=https`), false},
		{"Forwarded, text after a quote", proxy, fwd(`proto="https"x`), false},
		{"Forwarded, two protos", proxy, fwd("proto=https;proto=http"), false},
		{"Forwarded, two protos, reversed", proxy, fwd("proto=http;proto=https"), false},
		{"Forwarded, no value", proxy, fwd("proto=https;for"), false},
		{"Forwarded, a name that only ends so", proxy, fwd("xproto=https"), false},
		{"Forwarded, commas and semicolons in quotes", proxy, fwd(`host="a,b;c";proto=https, proto="https"`), true},
		{"Forwarded, an escape", proxy, fwd(`proto="http\s"`), false},
		{"Forwarded, space around the signs", proxy, fwd("for=1.2.3.4 ; proto=https , proto=https"), true},
		{"Forwarded, empty elements and pairs", proxy, fwd(",proto=https;,,for=1.2.3.4"), true},

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
		if got := trusted.HTTPS(r); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
		if none.HTTPS(r) {
			t.Errorf("%s: believed without proxies", c.what)
		}
		r.TLS = new(tls.ConnectionState)
		if !trusted.HTTPS(r) || !none.HTTPS(r) {
			t.Errorf("%s: TLS on the own socket was not believed", c.what)
		}
	}
}

func TestLoopback(t *testing.T) {
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
		if got := Loopback(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proxy, remote string
		want          bool
	}{
		{"10.0.0.7", "10.0.0.7:80", true},
		{"10.0.0.7", "10.0.0.8:80", false},
		{"10.0.0.7", "[::ffff:10.0.0.7]:80", true},
		{"::ffff:10.0.0.0/104", "10.1.2.3:80", true},
		{"fe80::1", "[fe80::1%eth0]:80", true},
		{"unix", "@", true},
		{"unix", "", true},
		{"unix", "/run/proxy.sock", true},
		{"unix", "10.0.0.7", false},
		{"unknown", "10.0.0.7", true},
		{"unknown", "proxy.internal:80", true},
		{"unknown", "", true},
		{"10.0.0.7", "", false},
		{"unknown", "@", false},
		{"unknown", "10.0.0.7:80", false},
	} {
		p, err := Parse([]string{c.proxy})
		if err != nil {
			t.Errorf("%q: %v", c.proxy, err)
		}
		if got := p.Trust(c.remote); got != c.want {
			t.Errorf("%q, from %q: %v, want %v", c.proxy, c.remote, got, c.want)
		}
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "10.0.0.0/33", "10.0.0", "proxy.internal", "10.0.0.7:80", "Unix", "fe80::1%eth0/64", "fe80::1%eth0"} {
		if _, err := Parse([]string{"10.0.0.7", bad}); err == nil || !strings.Contains(err.Error(), "TrustedProxies[1]") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
