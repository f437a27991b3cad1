// Package forwarded tells whether a request came over HTTPS, as far as a server
// behind proxies can know.
package forwarded

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/internal/quoted"
)

// Proxies are the peers whose forwarding headers are believed. The zero value has none.
type Proxies struct {
	prefixes      []netip.Prefix
	unix, unknown bool
}

// Advice says what to do about a Secure cookie that is not sent, and NotKept the line of the log about it.
const (
	Advice = "Serve HTTPS; or, behind a proxy that ends TLS, let it set X-Forwarded-Proto and name its addresses in Options.TrustedProxies " +
		"(\"unix\" for a unix socket), and put middleware that changes RemoteAddr inside of Manager.Handler; " +
		"or, for development only, set Options.Cookie.Secure to sessions.SecureAuto."
	NotKept = "sessions: a session was not kept, because its Secure cookie is not sent over plain HTTP. " + Advice + " This is logged once."
)

// Parse reads a list of addresses ("10.0.0.7"), ranges ("10.0.0.0/8"), "unix" for
// the peer of a unix socket, and "unknown" for a request without an address and
// port. The error names the first entry that is none of these.
func Parse(list []string) (p Proxies, err error) {
	for i, text := range list {
		prefix, err := netip.ParsePrefix(text)
		addr, addrErr := netip.ParseAddr(text)
		switch {
		case text == "unix":
			p.unix = true
			continue
		case text == "unknown":
			p.unknown = true
			continue
		case addrErr == nil && addr.Zone() == "": // a zone would have to be the peer's too
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		case err != nil:
			return Proxies{}, fmt.Errorf(`TrustedProxies[%d] is %q; use an address such as "10.0.0.7", `+
				`a range such as "10.0.0.0/8", "unix" or "unknown"`, i, text)
		}
		p.prefixes = append(p.prefixes, unmap(prefix))
	}
	return p, nil
}

// unmap turns a range of IPv4-mapped IPv6 addresses into the IPv4 range.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// Trust reports whether the peer with this http.Request.RemoteAddr is one of the
// proxies.
func (p *Proxies) Trust(remote string) bool {
	switch {
	case remote == "": // how some systems write a unix socket's peer
		return p.unix || p.unknown
	case remote[0] == '@' || remote[0] == '/': // how others do
		return p.unix
	}
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return p.unknown
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, prefix := range p.prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// HTTPS reports whether the request came over TLS: to this server's own socket, or
// by the word of a trusted proxy. Each forwarding header that is there must say
// https, or wss for a WebSocket, in each of its values, so that a client gains nothing by sending one
// through a proxy that appends its own.
func (p *Proxies) HTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if !p.Trust(r.RemoteAddr) {
		return false
	}
	said := false
	for _, line := range r.Header["X-Forwarded-Proto"] {
		for proto := range strings.SplitSeq(line, ",") {
			if said = true; !overTLS(strings.TrimSpace(proto)) {
				return false
			}
		}
	}
	for _, line := range r.Header["Forwarded"] {
		protos, ok := forwardedProtos(line)
		said = said || len(protos) > 0
		if !ok || slices.ContainsFunc(protos, func(p string) bool { return !overTLS(p) }) {
			return false
		}
	}
	return said
}

// overTLS reports whether a proxy's word for a protocol means TLS. Traefik says wss for the
// handshake of a WebSocket.
func overTLS(proto string) bool {
	return strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
}

// forwardedProtos returns the proto parameters of one line of a Forwarded header (RFC 7239,
// section 4). ok says that the line can be read: in one that can't, anything may be quoted.
func forwardedProtos(line string) (protos []string, ok bool) {
	hops, closed := quoted.Split(line, ',')
	for _, hop := range hops {
		pairs, _ := quoted.Split(hop, ';')
		for _, pair := range pairs {
			name, value, found := strings.Cut(pair, "=")
			if strings.Contains(value, `"`) {
				if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
					return nil, false
				}
				value = value[1 : len(value)-1]
			}
			switch {
			case pair != "" && !found:
				return nil, false
			case strings.EqualFold(name, "proto"):
				protos = append(protos, value)
			}
		}
	}
	return protos, closed
}

// Loopback reports whether browsers accept Secure cookies from this host over plain
// HTTP: the potentially trustworthy names of W3C Secure Contexts.
func Loopback(host string) bool {
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
