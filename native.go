package sessions

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/wire"
)

// native is this package's own protocol: a signed token of ID and secret, and
// attributes only if a session has some of its own.
type native struct {
	*signer
	options *Options
	proxies forwarded.Proxies
	usual   *nativeAttributes
}

var _ wire.Protocol = (*native)(nil)

func newNative(o *Options) *native {
	n := &native{signer: newSigner(o.Cookie.Name, o.Secrets), options: o}
	n.proxies, _ = forwarded.Parse(o.TrustedProxies) // validated
	n.usual = &nativeAttributes{options: o, maxAge: o.Cookie.MaxAge}
	return n
}

func (n *native) Name() string { return n.options.Cookie.Name }

func (n *native) Read(r *http.Request) (tokens []wire.Token, presented bool) {
	return n.read(r.Header, n.options.Cookie.Name)
}

func (n *native) Verify(value string) (wire.Token, bool) {
	t, old, ok := n.decode(value)
	return wire.Token{Text: t.text(), Old: old}, ok
}

func (n *native) NewToken(_ *http.Request, id driver.ID) (string, error) {
	t := newToken(id)
	return t.text(), nil
}

func (n *native) Ref(text string) driver.Ref {
	var t token
	t.parse(text) // made by text
	return t.ref()
}

// Sends: a Secure cookie is not sent over plain HTTP.
func (n *native) Sends(r *http.Request) (withheld, secure bool) {
	switch n.options.Cookie.Secure {
	case SecureNever:
		return false, false
	case SecureAuto:
		return false, n.proxies.HTTPS(r)
	}
	return !n.proxies.HTTPS(r) && !forwarded.Loopback(r.Host), true
}

func (n *native) Line(text string, a wire.Attributes, left time.Duration, secure bool) string {
	value := ""
	if text != "" {
		var t token
		t.parse(text)
		value = n.encode(&t)
	}
	// There is no use in keeping it longer than the session can live.
	return n.options.Cookie.cookie(value, min(a.MaxAge(), left), secure).String()
}

func (n *native) Member() string { return document.Cookie }

func (n *native) Fresh(*http.Request) (wire.Attributes, error) { return n.usual, nil }

// Parse ignores attributes that it can't read.
func (n *native) Parse(raw json.RawMessage) (wire.Attributes, error) {
	if raw == nil {
		return n.usual, nil
	}
	a := &nativeAttributes{options: n.options, raw: raw, maxAge: n.usual.maxAge}
	var own cookieJSON
	if document.DecodeValue(raw, &own, false) == nil && own.MaxAge >= 0 {
		a.maxAge = min(time.Duration(min(own.MaxAge, int64(maxLifetime/time.Second)))*time.Second, maxLifetime)
	}
	return a, nil
}

func (n *native) Check(string) error { return nil }

func (n *native) Policy() wire.Policy { return wire.Policy{} }

type nativeAttributes struct {
	options *Options
	raw     json.RawMessage // nil: none of its own
	maxAge  time.Duration   // the session's own, else the manager's
}

type cookieJSON struct {
	MaxAge int64 `json:"maxAge"` // seconds
}

func (a *nativeAttributes) JSON() json.RawMessage { return a.raw }

func (a *nativeAttributes) MaxAge() time.Duration { return a.maxAge }

// Idle: the store must not drop what the browser was told to keep.
func (a *nativeAttributes) Idle() time.Duration {
	return min(max(a.options.IdleTimeout, a.maxAge), a.options.Lifetime)
}

func (a *nativeAttributes) WithMaxAge(d time.Duration) wire.Attributes {
	d = min(max(d, 0), maxLifetime)
	seconds := int64((d + time.Second - 1) / time.Second)
	raw, _ := document.EncodeValue(cookieJSON{seconds})
	return &nativeAttributes{options: a.options, raw: raw, maxAge: min(time.Duration(seconds)*time.Second, maxLifetime)}
}

func (a *nativeAttributes) Renewed(time.Time) wire.Attributes { return a }
