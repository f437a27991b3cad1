package sessions

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/internal/wire"
)

// native is this package's own protocol: a signed id whose hash is the key, and
// attributes only where a session has some of its own.
type native struct {
	*signer
	options *Options
}

var _ wire.Protocol = native{}

func newNative(o *Options) native {
	return native{signer: newSigner(o.Cookie.Name, o.Secrets), options: o}
}

func (n native) Name() string { return n.options.Cookie.Name }

func (n native) Read(r *http.Request) (ids []wire.ID, presented bool) {
	return n.read(r.Header, n.options.Cookie.Name)
}

func (n native) Verify(value string) (wire.ID, bool) {
	v, old, ok := n.decode(value)
	return wire.ID{Text: v.text(), Old: old}, ok
}

func (native) NewID(*http.Request) (string, error) { return newID().text(), nil }

func (native) Key(text string) string {
	v, _ := decode32(text) // made by text
	return string(v.key())
}

func (native) Handle(string) string { return "" }

// Sends: a Secure cookie does not go out on plain HTTP.
func (n native) Sends(r *http.Request) (withheld, secure bool) {
	o := n.options
	switch o.Cookie.Secure {
	case SecureNever:
		return false, false
	case SecureAuto:
		return false, isHTTPS(r, o.TrustedProxies)
	}
	return !isHTTPS(r, o.TrustedProxies) && !isLoopback(r.Host), true
}

func (n native) Line(text string, attributes json.RawMessage, left time.Duration, secure bool) string {
	value := ""
	if text != "" {
		v, _ := decode32(text)
		value = n.encode(v)
	}
	// No use in keeping it longer than the session can live.
	return n.options.Cookie.cookie(value, min(n.MaxAge(attributes), left), secure).String()
}

func (native) Member() string { return cookieMember }

func (native) Fresh(*http.Request) (json.RawMessage, error) { return nil, nil }

func (native) Usable(json.RawMessage) error { return nil }

func (native) Renewed(attributes json.RawMessage, _ time.Time) json.RawMessage { return attributes }

type cookieAttributes struct {
	MaxAge int64 `json:"maxAge"` // seconds
}

// MaxAge returns the session's own MaxAge, else the manager's.
func (n native) MaxAge(attributes json.RawMessage) time.Duration {
	if attributes != nil {
		var own cookieAttributes
		if decodeValue(attributes, &own, false) == nil && own.MaxAge >= 0 {
			return min(time.Duration(min(own.MaxAge, int64(maxLifetime/time.Second)))*time.Second, maxLifetime)
		}
	}
	return n.options.Cookie.MaxAge
}

func (native) WithMaxAge(_ json.RawMessage, d time.Duration) json.RawMessage {
	d = min(max(d, 0), maxLifetime)
	raw, _ := encodeValue(cookieAttributes{MaxAge: int64((d + time.Second - 1) / time.Second)})
	return raw
}

// Idle: the store must not drop what the browser was told to keep.
func (n native) Idle(attributes json.RawMessage) time.Duration {
	return min(max(n.options.IdleTimeout, n.MaxAge(attributes)), n.options.Lifetime)
}

func (native) Check(string) error { return nil }

func (n native) Policy() wire.Policy { return wire.Policy{Rolling: n.options.Rolling} }
