package sessions

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/maxage"
	"github.com/sqlsessions/sessions/internal/token"
	"github.com/sqlsessions/sessions/internal/wire"
)

// native is this package's own protocol: a signed token of ID and secret, and
// attributes only if a session has some of its own.
type native struct {
	*token.Signer
	options *Options
	proxies forwarded.Proxies
	usual   maxage.Attributes
}

var _ wire.Protocol = (*native)(nil)

func newNative(o *Options) *native {
	n := &native{Signer: token.NewSigner(o.Cookie.Name, o.Secrets), options: o}
	n.proxies, _ = forwarded.Parse(o.TrustedProxies) // validated
	n.usual = maxage.Attributes{Usual: o.Cookie.MaxAge, Idle: o.IdleTimeout, Lifetime: o.Lifetime}
	return n
}

func (n *native) Name() string { return n.options.Cookie.Name }

func (n *native) Read(r *http.Request) (tokens []wire.Token, presented bool) {
	return n.Signer.Read(r.Header, n.options.Cookie.Name)
}

func (n *native) Verify(value string) (wire.Token, bool) {
	t, old, ok := n.Decode(value)
	return wire.Token{Text: t.Text(), Old: old}, ok
}

func (n *native) NewToken(_ *http.Request, id driver.ID) (string, error) {
	t := token.New(id)
	return t.Text(), nil
}

func (n *native) Ref(text string) driver.Ref {
	var t token.Token
	t.Parse(text) // made by Text
	return t.Ref()
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
		var t token.Token
		t.Parse(text)
		value = n.Encode(&t)
	}
	// There is no use in keeping it longer than the session can live.
	return n.options.Cookie.cookie(value, min(a.MaxAge(), left), secure).String()
}

func (n *native) Member() string { return document.Cookie }

func (n *native) Fresh(*http.Request) (wire.Attributes, error) { return n.usual.Parse(nil), nil }

func (n *native) Parse(raw json.RawMessage) (wire.Attributes, error) { return n.usual.Parse(raw), nil }

func (n *native) Check(string) error { return nil }

func (n *native) Policy() wire.Policy { return wire.Policy{} }
