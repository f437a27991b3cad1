package forwarded

import (
	"net/http"
	"net/netip"
	"testing"
)

// FuzzHTTPS lets a client say what it likes through a proxy that adds the truth.
func FuzzHTTPS(f *testing.F) {
	for _, said := range []string{
		"https", "proto=https", `for="[::1]";proto="https"`, "https,", `for="a`, `proto=https;x="`, "wss, https", "Proto=HTTPS;host=\"a;b\"", " ,;=", "\\\"",
	} {
		f.Add(said, "10.0.0.7:1")
	}
	f.Add("https", "@")
	f.Add("https", "[::ffff:10.0.0.1%eth0]:80")
	trusted, err := Parse([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		f.Fatal(err)
	}
	var none Proxies
	f.Fuzz(func(t *testing.T, said, remote string) {
		all := http.Header{"X-Forwarded-Proto": {said}, "Forwarded": {said}}
		if none.HTTPS(&http.Request{RemoteAddr: remote, Header: all}) {
			t.Error("a peer that is not trusted was believed")
		}
		for _, h := range []http.Header{
			{"X-Forwarded-Proto": {said + ", http"}},
			{"X-Forwarded-Proto": {said, "http"}},
			{"Forwarded": {said + ", for=192.0.2.1;proto=http"}},
			{"Forwarded": {said + `, for="[2001:db8::1]";proto=http;by="[::1]"`}},
			{"Forwarded": {said, "for=192.0.2.1;proto=http"}},
			{"X-Forwarded-Proto": {said}, "Forwarded": {"proto=http"}},
			{"X-Forwarded-Proto": {"http"}, "Forwarded": {said}},
		} {
			if trusted.HTTPS(&http.Request{RemoteAddr: "10.0.0.7:1", Header: h}) {
				t.Errorf("%q makes HTTPS of HTTP", h)
			}
		}
		if peer, err := netip.ParseAddrPort(remote); trusted.Trust(remote) && (err != nil ||
			!netip.MustParsePrefix("10.0.0.0/8").Contains(peer.Addr().Unmap()) && !netip.MustParsePrefix("fd00::/8").Contains(peer.Addr().WithZone(""))) {
			t.Errorf("%q is trusted", remote)
		}
	})
}

// FuzzParse gives lists of proxies and hosts any text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"10.0.0.7", "10.0.0.0/8", "unix", "unknown", "::ffff:10.0.0.0/104", "fe80::1%eth0",
		"0.0.0.0/0", "", "localhost:80", "[::1]:80", "a.localhost",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse([]string{text})
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
			if err != nil || !p.Trust(netip.AddrPortFrom(addr, 80).String()) {
				t.Errorf("%q does not trust itself: %v", text, err)
			}
		}
		if err != nil && (len(p.prefixes) > 0 || p.unix || p.unknown) {
			t.Errorf("%q is refused and trusted", text)
		}
		if addr, err := netip.ParseAddr(text); Loopback(text) && err == nil && !addr.IsLoopback() {
			t.Errorf("%q is no loopback address", text)
		}
	})
}
