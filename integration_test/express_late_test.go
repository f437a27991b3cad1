package integration_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// A request that makes a session and saves it again later can't know the version of
// what it made, which is a digest on these tables. Nothing is lost all the same.
func TestExpressSavesTwiceInOneRequest(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *conns) {
		f := c.express(t).opened(t)
		m, err := express.New(f.store, express.Options{Secrets: []string{"a secret of both"}})
		check(t, err)
		a := &app{server: httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			if r.URL.Path == "/begin" {
				s.SetUser("alice")
				value.Set(s, "first")
				check(t, http.NewResponseController(w).Flush())
				counter.Set(s, 2)
				return
			}
			text, _ := value.Get(s)
			n, _ := counter.Get(s)
			fmt.Fprint(w, s.User(), text, n, " ", s.ID())
		})))}
		defer a.server.Close()
		b := a.browser(t)
		b.ok("/begin")
		got, id, _ := strings.Cut(b.ok("/"), " ")
		if got != "alicefirst2" {
			t.Errorf("read %s", got)
		}
		check(t, m.Revoke(t.Context(), "alice", sessions.ID(id)))
		if got := b.ok("/"); strings.HasPrefix(got, "alice") {
			t.Errorf("read %s after it was revoked", got)
		}
	})
}
