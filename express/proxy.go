package express

import (
	"net/http"
	"strings"
)

// isSecure is upstream's issecure, with Express's req.secure.
func (p *protocol) isSecure(r *http.Request) bool {
	if r == nil {
		return false
	}
	if r.TLS != nil {
		return true
	}
	proto, _, _ := strings.Cut(strings.Join(r.Header["X-Forwarded-Proto"], ", "), ",")
	proto = strings.TrimSpace(proto)
	switch p.Proxy {
	case ProxyTrue:
		return strings.EqualFold(proto, "https")
	case ProxyFalse:
		return false
	}
	return proto == "https" && (p.TrustProxyHops > 0 || p.proxies.Trust(r.RemoteAddr))
}
