package sessions

import (
	"net/http"
	"net/netip"
	"strings"
)

// isHTTPS reports whether the request came over TLS, as far as this process
// can know: on its own socket, or by the word of a proxy it was told to trust.
// Every forwarding header that is there must say https, in each of its values, so that
// a client that sends one through a proxy which appends gains nothing.
func isHTTPS(r *http.Request, trusted []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	if len(trusted) == 0 || !fromTrusted(r.RemoteAddr, trusted) {
		return false
	}
	said := false
	for _, line := range r.Header["X-Forwarded-Proto"] {
		for proto := range strings.SplitSeq(line, ",") {
			if said = true; !strings.EqualFold(strings.TrimSpace(proto), "https") {
				return false
			}
		}
	}
	for _, line := range r.Header["Forwarded"] {
		for hop := range strings.SplitSeq(line, ",") {
			proto, ok := forwardedProto(hop)
			if said = said || ok; ok && !strings.EqualFold(proto, "https") {
				return false
			}
		}
	}
	return said
}

// forwardedProto returns the proto parameter of one element of a Forwarded
// header (RFC 7239, section 4).
func forwardedProto(hop string) (string, bool) {
	for pair := range strings.SplitSeq(hop, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "proto") {
			return strings.Trim(value, `"`), true
		}
	}
	return "", false
}

func fromTrusted(remote string, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, prefix := range trusted {
		if prefix.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// isLoopback reports whether a browser takes Secure cookies for this host over
// plain HTTP: the potentially trustworthy names of W3C Secure Contexts.
func isLoopback(host string) bool {
	if h, _, ok := strings.Cut(host, "]"); ok { // [::1]:8080
		host = strings.TrimPrefix(h, "[")
	} else {
		host, _, _ = strings.Cut(host, ":")
	}
	if host = strings.ToLower(host); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
