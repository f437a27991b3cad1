package express

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/wire"
)

// A protocol is how express-session's sessions look.
type protocol struct {
	Options
	secrets [][]byte
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

// Verify takes the value as it stands in the header.
func (p *protocol) Verify(value string) (wire.Token, bool) {
	return p.verify(decodeComponent(value))
}

func (p *protocol) verify(value string) (wire.Token, bool) {
	id, _, ok := readID(value, p.secrets) // upstream signs nothing anew
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

func (p *protocol) Line(id string, raw json.RawMessage, _ time.Duration, secure bool) string {
	a, err := parseAttributes(raw, time.Now())
	if err != nil || a.secure.truthy() && !secure {
		return ""
	}
	content := ""
	if id == "" {
		a.expires = dateOf(0)
	} else {
		content = marker + sign(id, p.secrets[0])
	}
	line, err := a.line(p.Options.Name, content)
	if err != nil { // stored by somebody else
		return ""
	}
	return line
}

func (p *protocol) Member() string { return "cookie" }

func (p *protocol) Fresh(r *http.Request) (json.RawMessage, error) {
	c := p.Cookie
	if p.CookieFunc != nil && r != nil {
		c = p.CookieFunc(r)
		if c.Path == "" {
			c.Path = "/"
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("express: CookieFunc: %w: %w", sessions.ErrInvalid, err)
		}
	}
	a := c.attributes(p.isSecure(r), time.Now())
	return a.encode(), nil
}

func (p *protocol) Usable(raw json.RawMessage) error {
	_, err := parseAttributes(raw, time.Now())
	return err
}

// Renewed is upstream's touch: each time that a session is written or its cookie
// sent, it begins anew to last for originalMaxAge. What `expires` says in a stored
// session may be long past, because upstream's stores move only the column.
func (p *protocol) Renewed(raw json.RawMessage, now time.Time) json.RawMessage {
	a, err := parseAttributes(raw, now)
	if err != nil {
		return raw
	}
	a.touch(now)
	return a.encode()
}

func (p *protocol) MaxAge(raw json.RawMessage) time.Duration {
	a, err := parseAttributes(raw, time.Now())
	if err != nil {
		return 0
	}
	d, _ := a.lasts()
	return max(d, 0)
}

func (p *protocol) WithMaxAge(raw json.RawMessage, d time.Duration) json.RawMessage {
	now := time.Now()
	a, err := parseAttributes(raw, now)
	if err != nil {
		return raw
	}
	ms := value{kind: null}
	if d > 0 {
		ms = milliseconds(d)
	}
	a.startAge(ms, now)
	return a.encode()
}

func (p *protocol) Idle(raw json.RawMessage) time.Duration {
	a, err := parseAttributes(raw, time.Now())
	if d, ok := a.lasts(); err == nil && ok {
		return d
	}
	return p.IdleTimeout
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
	return wire.Policy{SaveNew: p.SaveUninitialized, Resave: p.Resave, Rolling: p.Rolling, TouchOnly: true, Endless: true}
}
