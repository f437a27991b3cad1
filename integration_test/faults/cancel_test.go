package faults_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A context that ends at any round trip of an operation (F15). The operation says so, or it was
// done already; it is carried out once at most, and no session is harmed. If the context is a
// request's, because the client hung up, nothing changes: the request is finished.
func TestContextEndsAtEachStep(t *testing.T) {
	for _, i := range servedBy() {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			direct := b.Connect(t)
			migrated := direct.NewTable(t)
			testbed.Parallel(len(operations), func(i int) {
				op := &operations[i]
				if op.name == "migrate" && b.Name == "pgxpool" {
					return // it takes a database/sql pool
				}
				t.Run(op.name, func(t *testing.T) { testCancel(t, op, migrated) })
			})
		})
	}
}

func testCancel(t *testing.T, op *operation, migrated *testbed.Table) {
	u, err := url.Parse(migrated.URL)
	testbed.Check(t, err)
	proxy := faultproxy.New(t, u.Host)
	conns := migrated.ConnectSized(t, proxy.URL(t, migrated.URL), 1)
	for n := 1; n < mostTurns; n += op.stride() {
		// A table for each: a revocation that was under way may be carried out a little later.
		direct := migrated.Another(t)
		c := newCell(t, op, direct, &testbed.Table{Conns: conns, Name: direct.Name, Store: conns.OpenStore(t, direct.Name)}, calmly)
		c.hangsUp, c.sentinel = true, context.Canceled
		proxy.Next(n, faultproxy.None, c.cancel)
		o := op.run(c)
		if !proxy.Happened() {
			if o.err != nil {
				t.Errorf("without an end: %v", o.err)
			}
			return
		}
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			c.T = t
			want := done
			if o.status == 0 {
				want = either
			}
			c.judge(o, want)
			c.recover()
		})
	}
	t.Fatal("no operation ends")
}

// serve answers a request whose context is the operation's.
func (c *cell) serve(path string) testbed.Response {
	r := httptest.NewRequestWithContext(c.ctx, http.MethodGet, c.app.Server.URL+path, nil)
	for _, cookie := range c.user.Jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	c.app.Server.Config.Handler.ServeHTTP(w, r)
	c.user.SetCookies(w.Result().Cookies()...)
	return testbed.Response{Response: w.Result(), Body: w.Body.String()}
}
