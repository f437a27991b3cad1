package sessions

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/wire"
)

// nativeProtocol is this package's own protocol: a signed token of ID and secret, and
// attributes only where a session has some of its own.
type nativeProtocol struct {
	*signer
	options *Options
}

var _ wire.Protocol = nativeProtocol{}

func newNative(o *Options) nativeProtocol {
	return nativeProtocol{signer: newSigner(o.Cookie.Name, o.Secrets), options: o}
}

func (n nativeProtocol) Name() string { return n.options.Cookie.Name }

func (n nativeProtocol) Read(r *http.Request) (tokens []wire.Token, presented bool) {
	return n.read(r.Header, n.options.Cookie.Name)
}

func (n nativeProtocol) Verify(value string) (wire.Token, bool) {
	t, old, ok := n.decode(value)
	return wire.Token{Text: t.text(), Old: old}, ok
}

func (nativeProtocol) NewToken(_ *http.Request, id ID) (string, error) {
	t := newToken(id)
	return t.text(), nil
}

func (nativeProtocol) Ref(text string) driver.Ref {
	var t token
	t.parse(text) // made by text
	return t.ref()
}

// Sends: a Secure cookie does not go out on plain HTTP.
func (n nativeProtocol) Sends(r *http.Request) (withheld, secure bool) {
	o := n.options
	switch o.Cookie.Secure {
	case SecureNever:
		return false, false
	case SecureAuto:
		return false, isHTTPS(r, o.TrustedProxies)
	}
	return !isHTTPS(r, o.TrustedProxies) && !isLoopback(r.Host), true
}

func (n nativeProtocol) Line(text string, attributes json.RawMessage, left time.Duration, secure bool) string {
	value := ""
	if text != "" {
		var t token
		t.parse(text)
		value = n.encode(&t)
	}
	// No use in keeping it longer than the session can live.
	return n.options.Cookie.cookie(value, min(n.MaxAge(attributes), left), secure).String()
}

func (nativeProtocol) Member() string { return cookieMember }

func (nativeProtocol) Fresh(*http.Request) (json.RawMessage, error) { return nil, nil }

func (nativeProtocol) Usable(json.RawMessage) error { return nil }

func (nativeProtocol) Renewed(attributes json.RawMessage, _ time.Time) json.RawMessage {
	return attributes
}

type cookieAttributes struct {
	MaxAge int64 `json:"maxAge"` // seconds
}

// MaxAge returns the session's own MaxAge, else the manager's.
func (n nativeProtocol) MaxAge(attributes json.RawMessage) time.Duration {
	if attributes != nil {
		var own cookieAttributes
		if decodeValue(attributes, &own, false) == nil && own.MaxAge >= 0 {
			return min(time.Duration(min(own.MaxAge, int64(maxLifetime/time.Second)))*time.Second, maxLifetime)
		}
	}
	return n.options.Cookie.MaxAge
}

func (nativeProtocol) WithMaxAge(_ json.RawMessage, d time.Duration) json.RawMessage {
	d = min(max(d, 0), maxLifetime)
	raw, _ := encodeValue(cookieAttributes{MaxAge: int64((d + time.Second - 1) / time.Second)})
	return raw
}

// Idle: the store must not drop what the browser was told to keep.
func (n nativeProtocol) Idle(attributes json.RawMessage) time.Duration {
	return min(max(n.options.IdleTimeout, n.MaxAge(attributes)), n.options.Lifetime)
}

func (nativeProtocol) Check(string) error { return nil }

func (n nativeProtocol) Policy() wire.Policy { return wire.Policy{Rolling: n.options.Rolling} }
