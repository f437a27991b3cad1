package handover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/wire"
)

// A goApp does in Go what app.js does in Node.
type goApp struct {
	side
	unset   string
	options express.Options
	store   sessions.Store
	handler atomic.Pointer[http.Handler]

	mu    sync.Mutex
	gates map[string]*gate
}

// A gate holds a request until the test opens it.
type gate struct{ reached, opened chan struct{} }

func startGo(t *testing.T, store sessions.Store, options express.Options, unset string) *goApp {
	t.Helper()
	a := &goApp{side: side{name: "Go", client: newClient(t)}, unset: unset, options: options, store: store, gates: map[string]*gate{}}
	a.options.Sessions.Logger = slog.New(slog.DiscardHandler)
	a.setSecrets(t, options.Secrets)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*a.handler.Load()).ServeHTTP(w, r)
	}))
	panics := &output{}
	server.Config.ErrorLog = log.New(panics, "", 0)
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if text := panics.String(); text != "" {
			t.Errorf("the Go server complained:\n%s", text)
		}
	})
	a.url = server.URL
	return a
}

// setSecrets goes on with a manager that has these.
func (a *goApp) setSecrets(t *testing.T, secrets []string) {
	t.Helper()
	o := a.options
	o.Secrets = secrets
	m, err := express.New(a.store, o)
	testbed.Check(t, err)
	handler := m.Handler(http.HandlerFunc(a.serve))
	a.handler.Store(&handler)
}

func (a *goApp) gate(name string) *gate {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gates[name] == nil {
		a.gates[name] = &gate{make(chan struct{}), make(chan struct{})}
	}
	return a.gates[name]
}

func (a *goApp) serve(w http.ResponseWriter, r *http.Request) {
	var ops []op
	if err := json.NewDecoder(r.Body).Decode(&ops); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s := sessions.FromContext(r.Context())
	out := answer{Views: []view{}}
	gone := false
	for _, o := range ops {
		if o.Op == "view" {
			out.Views = append(out.Views, look(s, gone))
			continue
		}
		if err := a.do(r.Context(), s, o); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		gone = gone || o.Op == "destroy" || o.Op == "null"
	}
	out.End = look(s, gone)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // values are to be seen as they are
	_ = e.Encode(out)
}

func (a *goApp) do(ctx context.Context, s *sessions.Session, o op) error {
	switch o.Op {
	case "set":
		if o.Date != 0 {
			sessions.NewKey[time.Time](o.Key).Set(s, time.UnixMilli(o.Date).UTC())
		} else {
			sessions.NewKey[json.RawMessage](o.Key).Set(s, o.Value)
		}
	case "add":
		sessions.NewKey[int](o.Key).Update(s, func(n int) int { return n + 1 })
	case "delete":
		sessions.NewKey[json.RawMessage](o.Key).Delete(s)
	case "touch":
		if err := s.Touch(ctx); !errors.Is(err, sessions.ErrEnded) { // Node's touch says nothing
			return err
		}
	case "save":
		return s.Save(ctx)
	case "reload":
		return s.Reload(ctx)
	case "regenerate":
		s.Destroy() // what is stored then begins a new session
	case "user":
		s.SetUser(o.Key)
	case "destroy":
		s.Destroy()
	case "null":
		if a.unset == "destroy" {
			s.Destroy()
		} else {
			s.Discard()
		}
	case "cookie":
		return setAttribute(s, o.Key, o.Value)
	case "wait":
		g := a.gate(o.Key)
		close(g.reached)
		select {
		case <-g.opened:
		case <-ctx.Done():
		}
	default:
		return fmt.Errorf("no operation %q", o.Op)
	}
	return nil
}

// setAttribute is an assignment to an attribute of req.session.cookie.
func setAttribute(s *sessions.Session, name string, raw json.RawMessage) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	text, _ := v.(string)
	on, _ := v.(bool)
	c := express.Cookie(s)
	switch name {
	case "maxAge":
		ms, _ := v.(float64)
		s.SetMaxAge(time.Duration(ms) * time.Millisecond)
		return nil
	case "expires":
		c.MaxAge, c.Expires = 0, time.Time{}
		if text != "" {
			var err error
			c.MaxAge = express.Cookie(s).MaxAge // an Expires that differs wins over the same MaxAge
			if c.Expires, err = time.Parse(time.RFC3339, text); err != nil {
				return err
			}
		}
	case "path":
		c.Path = text
	case "domain":
		c.Domain = text
	case "httpOnly":
		c.UnsafeScriptAccess = !on
	case "secure":
		c.Secure = express.SecureFalse
		if on {
			c.Secure = express.SecureTrue
		}
	case "partitioned":
		c.Partitioned = on
	case "priority":
		c.Priority = express.Priority(text)
	case "sameSite":
		c.SameSite = express.SameSite(text)
		if on {
			c.SameSite = express.SameSiteStrict
		}
	}
	return express.SetCookie(s, c)
}

func look(s *sessions.Session, gone bool) view {
	if gone {
		return view{}
	}
	v := view{Present: true, ID: string(s.ID()), Cookie: wire.AttributesOf(s).JSON(), Data: map[string]json.RawMessage{}}
	for _, name := range s.Keys() {
		v.Data[name], _ = sessions.NewKey[json.RawMessage](name).Get(s)
	}
	return v
}
