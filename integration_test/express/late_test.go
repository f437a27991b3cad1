package express_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A request that makes a session and saves it again later can't know the version of
// what it made, which is a digest on these tables. Nothing is lost all the same.
func TestExpressSavesTwiceInOneRequest(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		m, err := express.New(f.store, express.Options{Secrets: []string{"a secret of both"}})
		testbed.Check(t, err)
		a := &testbed.App{Server: httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			if r.URL.Path == "/begin" {
				s.SetUser("alice")
				testbed.Value.Set(s, "first")
				testbed.Check(t, http.NewResponseController(w).Flush())
				testbed.Counter.Set(s, 2)
				return
			}
			text, _ := testbed.Value.Get(s)
			n, _ := testbed.Counter.Get(s)
			fmt.Fprint(w, s.User(), text, n, " ", s.ID())
		})))}
		defer a.Server.Close()
		b := a.Browser(t)
		b.OK("/begin")
		got, id, _ := strings.Cut(b.OK("/"), " ")
		if got != "alicefirst2" {
			t.Errorf("read %s", got)
		}
		testbed.Check(t, m.Revoke(t.Context(), "alice", sessions.ID(id)))
		if got := b.OK("/"); strings.HasPrefix(got, "alice") {
			t.Errorf("read %s after it was revoked", got)
		}
	})
}
