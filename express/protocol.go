package express

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/wire"
)

// A protocol is how express-session's sessions look.
type protocol struct {
	Options
	secrets [][]byte
	proxies forwarded.Proxies
}

var _ wire.Protocol = (*protocol)(nil)

// newID is uid-safe's, with the length that express-session asks for.
func newID(*http.Request) (string, error) {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func (p *protocol) Name() string { return p.Options.Name }

// Read takes the first cookie of the name, good or bad, as upstream does.
func (p *protocol) Read(r *http.Request) (tokens []wire.Token, presented bool) {
	value, presented := cookieValue(r.Header["Cookie"], p.Options.Name)
	if token, ok := p.verify(value); ok {
		tokens = []wire.Token{token}
	}
	return tokens, presented
}

// Every returns the tokens of all cookies of the name. Where a browser keeps several, the
// first one depends on the path. There are at most maxTokens.
func (p *protocol) Every(r *http.Request) (tokens []wire.Token) {
	for value := range cookieValues(r.Header["Cookie"], p.Options.Name) {
		if token, ok := p.verify(value); ok && !slices.Contains(tokens, token) {
			if tokens = append(tokens, token); len(tokens) == maxTokens {
				break
			}
		}
	}
	return tokens
}

// maxTokens bounds how many sessions of Express one request can end.
const maxTokens = 16

// Verify takes the value as it stands in the header.
func (p *protocol) Verify(value string) (wire.Token, bool) {
	if len(value) > maxValue {
		return wire.Token{}, false
	}
	return p.verify(decodeComponent(value))
}

func (p *protocol) verify(value string) (wire.Token, bool) {
	id, _, ok := readID(value, p.secrets) // upstream never signs a cookie again
	return wire.Token{Text: id}, ok
}

func (p *protocol) NewToken(r *http.Request, _ sessions.ID) (string, error) {
	id, err := p.NewID(r)
	if err == nil && id == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("express: NewID: %w", err)
	}
	return id, nil
}

// Ref has the ID that the stores of this package compute.
func (p *protocol) Ref(id string) driver.Ref {
	return driver.Ref{ID: row.ID(id), Verifier: driver.Verifier(id)}
}

func (p *protocol) Sends(r *http.Request) (withheld, secure bool) { return false, p.isSecure(r) }

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

func (p *protocol) Line(id string, attributes wire.Attributes, _ time.Duration, secure bool) string {
	a := attributes.(*stored).attributes
	if a.secure.truthy() && !secure {
		return ""
	}
	content := ""
	if id == "" {
		a.expires = dateOf(0)
	} else {
		content = marker + sign(id, p.secrets[0])
	}
	line, err := a.line(p.Options.Name, content)
	if err != nil { // another program stored it
		return ""
	}
	return line
}

func (p *protocol) Member() string { return "cookie" }

func (p *protocol) Fresh(r *http.Request) (wire.Attributes, error) {
	c, now := p.Cookie, time.Now()
	var err error
	if p.CookieFunc != nil && r != nil {
		own := p.CookieFunc(r)
		own.Path = cmp.Or(own.Path, "/")
		if err = own.check(); err == nil {
			c = own
		} else {
			err = fmt.Errorf("express: CookieFunc: %w: %w", sessions.ErrInvalid, err)
		}
	}
	return p.stored(c.attributes(p.isSecure(r), now)), err
}

func (p *protocol) Parse(raw json.RawMessage) (wire.Attributes, error) {
	a, err := parseAttributes(raw, time.Now())
	if err != nil {
		return nil, err
	}
	return &stored{a, raw, p.IdleTimeout}, nil
}

func (p *protocol) stored(a attributes) *stored { return &stored{a, a.encode(), p.IdleTimeout} }

// stored are the attributes of one session's cookie with the JSON they are kept as.
type stored struct {
	attributes
	raw         json.RawMessage
	idleTimeout time.Duration // if the cookie has no maximum age
}

var _ wire.Attributes = (*stored)(nil)

func (s *stored) JSON() json.RawMessage { return s.raw }

func (s *stored) MaxAge() time.Duration {
	d, _ := s.lasts()
	return max(d, 0)
}

func (s *stored) Idle() time.Duration {
	if d, ok := s.lasts(); ok {
		return d
	}
	return s.idleTimeout
}

func (s *stored) WithMaxAge(d time.Duration) wire.Attributes {
	return s.with(func(a *attributes) { a.startAge(ageOf(max(d, 0)), time.Now()) })
}

// Renewed is upstream's touch: each time that a session is written or its cookie
// sent, it begins again to last for originalMaxAge. What `expires` says in a stored
// session may be long past, because upstream's stores move only the column.
func (s *stored) Renewed(now time.Time) wire.Attributes {
	return s.with(func(a *attributes) { a.touch(now) })
}

func (s *stored) with(change func(*attributes)) *stored {
	a := s.attributes
	change(&a)
	return &stored{a, a.encode(), s.idleTimeout}
}

// lasts returns the original maximum age, if the cookie has one.
func (a *attributes) lasts() (time.Duration, bool) {
	const longest = float64(math.MaxInt64 / time.Millisecond)
	if a.originalMaxAge.kind != number {
		return 0, false
	}
	return time.Duration(min(max(a.originalMaxAge.num, -longest), longest)) * time.Millisecond, true
}

// Names that express-session's Session has itself, or JavaScript's Object: Node
// drops what is stored under them.
var taken = []string{
	"cookie", "id", "req", "save", "touch", "reload", "destroy", "regenerate", "resetMaxAge",
	"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
	"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}

func (p *protocol) Check(name string) error {
	if slices.Contains(taken, name) {
		return fmt.Errorf("%w: Express keeps no value of this name; choose another", sessions.ErrValue)
	}
	return nil
}

func (p *protocol) Policy() wire.Policy {
	return wire.Policy{
		NotSent: notSent, SaveNew: p.SaveUninitialized, Resave: p.Resave, Rolling: p.Rolling,
		NoTouch: p.DisableTouch, TouchOnly: true, Endless: true,
	}
}

const notSent = "express: a session is stored, but its cookie was not sent, so the browser has another session in its next request: " +
	"the cookie is Secure and the request came over plain HTTP, or another program stored attributes of which no cookie can be made. " +
	"Serve HTTPS; or, behind a proxy that ends TLS, let it set X-Forwarded-Proto, and set Options.TrustedProxies, TrustProxyHops or ProxyTrue; " +
	"or set Cookie.Secure to express.SecureAuto. This is logged once."
