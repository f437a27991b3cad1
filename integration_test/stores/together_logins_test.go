package stores_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A login is a save with another verifier, and goes with the others.
func TestManyNewVerifiersAreOneStatement(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n = 64
		ctx := t.Context()
		rows, renewed := make([]driver.Row, n), make([]driver.Row, n)
		var calls []func()
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
			calls = append(calls, func() {
				r := rows[i]
				r.User, r.Data = fmt.Sprint("user ", i), fmt.Appendf(nil, `{"n":%d}`, i)
				req := driver.SaveRequest{From: r.Ref, Version: r.Version, Verifier: r.Verifier, User: r.User, Data: r.Data, Life: testbed.AnHour}
				if i%4 > 0 {
					req.Verifier = testbed.RandomVerifier()
				}
				if i%4 > 1 {
					req.Life, req.Authenticated = testbed.Day, true
				}
				result, err := tab.Store.Save(ctx, req)
				if err != nil || result.Version == 0 || result.Version == r.Version {
					t.Errorf("save %d: version %d, %v", i, result.Version, err)
				}
				r.Verifier, r.Version = req.Verifier, result.Version
				renewed[i] = r
			})
		}
		if statements := together(t, tab, calls...); statements > 4 { // with what is asked and prepared once
			t.Errorf("%d saves took %d statements", n, statements)
		}
		for i, want := range renewed {
			got, err := tab.Store.Load(ctx, want.Ref)
			if err != nil || got.Version != want.Version || got.User != want.User || string(got.Data) != string(want.Data) || got.AuthenticatedAt.IsZero() == (i%4 > 1) {
				t.Errorf("row %d is %+v of %q, authenticated at %v, %v", i, got.ID, got.User, got.AuthenticatedAt, err)
			}
			if _, err := tab.Store.Load(ctx, rows[i].Ref); (err == nil) != (i%4 == 0) {
				t.Errorf("row %d by the old verifier: %v", i, err)
			}
		}
	})
}

// Each of many logins at once gets its own user and token.
func TestManyLoginsAtOnce(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n = 64
		a := testbed.NewApp(t, tab)
		handler := a.Server.Config.Handler
		get := func(path string, cookies ...*http.Cookie) (string, []*http.Cookie) {
			r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
			for _, c := range cookies {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d", path, w.Code)
			}
			return w.Body.String(), w.Result().Cookies()
		}
		var before, after [n][]*http.Cookie
		var logins []func()
		for i := range n {
			_, before[i] = get("/set?v=a")
			logins = append(logins, func() { _, after[i] = get(fmt.Sprint("/login?u=user", i), before[i]...) })
		}
		// The loads wait and go together. So their saves come at about the same time, and so do
		// their looks at the marks.
		if statements := together(t, tab, logins...); statements > n/2 {
			t.Errorf("%d logins, a load, a save and a look each, took %d statements", n, statements)
		} else {
			t.Logf("%d logins took %d statements", n, statements)
		}
		var tokens sync.Map
		for i := range n {
			if len(after[i]) != 1 {
				t.Fatalf("login %d got %d cookies", i, len(after[i]))
			}
			if _, twice := tokens.LoadOrStore(after[i][0].Value, i); twice {
				t.Errorf("login %d got another's token", i)
			}
			if who, _ := get("/user", after[i]...); who != fmt.Sprint("user", i) {
				t.Errorf("login %d is %q", i, who)
			}
			if who, _ := get("/user", before[i]...); who != "" {
				t.Errorf("the token before login %d is %q", i, who)
			}
		}
	})
}
