package torture_test

import (
	"net/http"
	"time"

	"github.com/sqlsessions/sessions"
)

// The promises that options or a middleware switch off.
var brokenNodes = map[string]setup{
	"sessions live longer than they may": {short: true, alter: func(_ *node, o *sessions.Options) {
		o.IdleTimeout += time.Second / 2
	}},
	"the absolute limit is shorter": {short: true, alter: func(_ *node, o *sessions.Options) {
		o.Lifetime -= 2 * time.Second
	}},
	"one node knows no limit": {rule: "and MaxPerUser is", limit: 2, alter: func(n *node, o *sessions.Options) {
		if n.number == 0 {
			o.MaxPerUser = 0
		}
	}},
	"the limit of one node is lower": {rule: "one of the last 3 sessions", limit: 3, alter: func(n *node, o *sessions.Options) {
		if n.number == 0 {
			o.MaxPerUser = 1
		}
	}},
	"of two cookies the first is used": {rule: "was not asked for", wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := r.Cookie(cookieName); err == nil {
				r.Header.Set("Cookie", c.String())
			}
			next.ServeHTTP(w, r)
		})
	}},
	"a failure carries a cookie": {rule: "with a cookie", faults: true, timeout: 2 * time.Second, wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&bakery{w}, r)
		})
	}},
	"failures are answered 200": {rule: "was answered 200, want", faults: true, timeout: 2 * time.Second, alter: func(_ *node, o *sessions.Options) {
		note := o.ErrorHandler
		o.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			w.WriteHeader(http.StatusOK)
			note(w, r, err)
		}
	}},
	"one node refuses no sign-in": {rule: "although new ones are refused", limit: 2, refuse: true, alter: func(n *node, o *sessions.Options) {
		o.RefuseOverMax = n.number > 0
	}},
	"one node refuses sign-ins too early": {rule: "was refused as one too many", limit: 3, refuse: true, alter: func(n *node, o *sessions.Options) {
		if n.number == 0 {
			o.MaxPerUser = 1
		}
	}},
	"an answer loses its cookie": {rule: "that its answer does not carry", wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&thief{ResponseWriter: w}, r)
		})
	}},
	"the library panics": {rule: "panics: a mistake", wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if oneIn(100) {
				panic("a mistake")
			}
		})
	}},
}

// A bakery sends a cookie with each failure.
type bakery struct{ http.ResponseWriter }

func (b *bakery) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b *bakery) WriteHeader(status int) {
	if status >= http.StatusInternalServerError {
		b.Header().Add("Set-Cookie", cookieName+"=1; Path=/")
	}
	b.ResponseWriter.WriteHeader(status)
}

// A thief takes some cookies out of answers.
type thief struct {
	http.ResponseWriter
	began bool
}

func (t *thief) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *thief) WriteHeader(status int) {
	if !t.began && oneIn(20) {
		t.Header().Del("Set-Cookie")
	}
	t.began = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *thief) Write(p []byte) (int, error) {
	if !t.began {
		t.WriteHeader(http.StatusOK)
	}
	return t.ResponseWriter.Write(p)
}
