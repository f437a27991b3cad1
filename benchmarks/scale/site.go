package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
)

// A site is an application with the middleware, and its visitors' cookies.
type site struct {
	page    http.Handler
	cookies []*http.Cookie
}

var value = sessions.NewKey[string]("value")

func newSite(store sessions.Store, o sessions.Options, visitors int) (*site, error) {
	o.Secrets = [][]byte{[]byte(bench.Text(32))}
	manager, err := sessions.New(store, o)
	if err != nil {
		return nil, err
	}
	return &site{cookies: make([]*http.Cookie, visitors), page: manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, user := sessions.FromContext(r.Context()), r.URL.Query().Get("user")
		switch r.URL.Path {
		case "/begin":
			value.Set(s, bench.Text(180))
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

// click is one request of visitor i, who keeps the cookie that is set.
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

// touchCounter counts the calls of Touch.
type touchCounter struct {
	driver.Store

	touches atomic.Int64
}

func (c *touchCounter) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	c.touches.Add(1)
	return c.Store.Touch(ctx, req)
}

// touches lets a user click once a second. A second passes by making the row a second older.
func touches(ctx context.Context, s *scale) error {
	for _, o := range []sessions.Options{{IdleTimeout: 24 * time.Hour}, {IdleTimeout: 30 * time.Minute}} {
		if err := s.with(ctx, false, func(t *table) error { return t.clicks(ctx, o, s.size(60, 10)) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) clicks(ctx context.Context, o sessions.Options, minutes int) error {
	store := &touchCounter{Store: t.store}
	user, err := newSite(store, o, 1)
	if err != nil {
		return err
	}
	if err := user.click(ctx, 0, "/begin", ""); err != nil {
		return err
	}
	touched := make([]int64, minutes*60+1) // until each second
	for second := range minutes * 60 {
		if _, err := t.exec(ctx, "UPDATE sessions SET expires_at = expires_at - "+t.Pick("interval '1 second'", "INTERVAL 1 SECOND")); err != nil {
			return err
		}
		if err := user.click(ctx, 0, "/", ""); err != nil {
			return err
		}
		touched[second+1] = store.touches.Load()
	}
	var most int64
	for second := 60; second < len(touched); second++ {
		most = max(most, touched[second]-touched[second-60])
	}
	all := touched[len(touched)-1]
	t.resultf(most <= 1 && all > 0, "1 or fewer", "a click a second for %d minutes, idle timeout %s: %.2f touches a minute, %d in the worst 60 seconds",
		minutes, o.IdleTimeout, float64(all)/float64(minutes), most)
	return nil
}
