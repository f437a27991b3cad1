package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"

	"github.com/sqlsessions/sessions"
)

// A site is an application with the middleware, and the cookies of those who visit it.
type site struct {
	page    http.Handler
	cookies []*http.Cookie
}

var value = sessions.NewKey[string]("value")

// newSite has no row yet. The manager's secret is random.
func newSite(store sessions.Store, o sessions.Options, visitors int) (*site, error) {
	o.Secrets = [][]byte{make([]byte, 32)}
	_, _ = rand.Read(o.Secrets[0]) // never fails
	manager, err := sessions.New(store, o)
	if err != nil {
		return nil, err
	}
	return &site{cookies: make([]*http.Cookie, visitors), page: manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, user := sessions.FromContext(r.Context()), r.URL.Query().Get("user")
		switch r.URL.Path {
		case "/begin":
			value.Set(s, text180())
			s.SetUser(user)
		case "/regenerate":
			s.Regenerate()
		case "/login":
			s.SetUser(user)
		default:
			_, _ = value.Get(s)
		}
	}))}, nil
}

// text180 has 180 bytes that can't be compressed much.
func text180() string {
	text := make([]byte, 180)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[mathrand.IntN(36)]
	}
	return string(text)
}

// click is one request of the visitor i, who takes the cookie that is set.
func (s *site) click(ctx context.Context, i int, path, user string) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://localhost"+path+"?user="+user, nil)
	if s.cookies[i] != nil {
		r.AddCookie(s.cookies[i])
	}
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return fmt.Errorf("%s was answered with %d", path, w.Code)
	}
	if set := w.Result().Cookies(); len(set) > 0 {
		s.cookies[i] = set[len(set)-1]
	}
	return nil
}
