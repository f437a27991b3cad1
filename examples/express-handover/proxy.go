package main

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/takeover"
)

// routes are those of the shop. Each is served by Express or by Go.
var routes = []string{"login", "cart", "account", "logout"}

// A handover is the proxy in front of both.
type handover struct {
	db      *database
	secret  string
	express http.Handler      // the Express application
	shop    http.Handler      // the Go application
	old     *sessions.Manager // of Express's cookie and table

	mu     sync.Mutex
	inGo   map[string]bool
	native *sessions.Manager // nil until the last step
}

func newHandover(ctx context.Context, db *database, address, secret string) (*handover, error) {
	store, err := db.shared(ctx)
	if err != nil {
		return nil, err
	}
	old, err := express.New(store, express.Options{
		Secrets: []string{secret}, // the same in both
		Cookie:  express.CookieOptions{MaxAge: 24 * time.Hour, SameSite: express.SameSiteLax},
	})
	if err != nil {
		return nil, err
	}
	return &handover{
		db: db, secret: secret, old: old, shop: newShop(), inGo: map[string]bool{},
		express: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address}),
	}, nil
}

//go:embed page/index.html
var page []byte

// handler is all that the browser sees. It refuses requests that another site makes the browser send.
func (h *handover) handler() http.Handler {
	mux := http.NewServeMux()
	for _, name := range routes {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) { h.serving(name).ServeHTTP(w, r) })
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /state", h.state)
	mux.HandleFunc("POST /move/{route}", h.move)
	mux.HandleFunc("POST /native", h.takeOver)
	return http.NewCrossOriginProtection().Handler(mux)
}

// serving returns the program that serves a route now.
func (h *handover) serving(name string) http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.native != nil:
		return h.native.Handler(h.shop)
	case h.inGo[name]:
		return h.old.Handler(h.shop)
	}
	return h.express
}

// move moves a route to Go, or back.
func (h *handover) move(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("route")
	known := false
	for _, route := range routes {
		known = known || route == name
	}
	if !known {
		http.Error(w, "there is no such route", http.StatusNotFound)
		return
	}
	h.mu.Lock()
	h.inGo[name] = !h.inGo[name]
	h.mu.Unlock()
	h.state(w, r)
}

// takeOver is the last step: Go serves everything, from a table of its own. A request with
// Express's cookie moves its session there and gets a new cookie.
func (h *handover) takeOver(w http.ResponseWriter, r *http.Request) {
	err := func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.native != nil {
			return nil
		}
		store, err := h.db.native(r.Context())
		if err != nil {
			return err
		}
		h.native, err = takeover.New(store, sessions.Options{
			Secrets: [][]byte{[]byte(h.secret)},
			Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto}, // the demo is on plain HTTP
		}, takeover.From{Manager: h.old, Until: time.Now().Add(24 * time.Hour), UserKey: "user"})
		return err
	}()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.state(w, r)
}

// state tells the page which program serves what, and what is stored.
func (h *handover) state(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	native, where := h.native != nil, map[string]string{}
	for _, name := range routes {
		if where[name] = "Express"; h.inGo[name] || native {
			where[name] = "Go"
		}
	}
	h.mu.Unlock()
	rows, err := h.db.stored(r.Context(), native)
	if err != nil && !errors.Is(err, context.Canceled) {
		http.Error(w, "the tables can't be read", http.StatusInternalServerError)
		return
	}
	writeJSON(w, struct {
		Routes map[string]string `json:"routes"`
		Native bool              `json:"native"`
		Rows   []row             `json:"rows"`
	}{where, native, rows})
}
