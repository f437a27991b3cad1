package requests_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A session that thousands read at once, and each of them moves its idle timeout: that is nothing
// that a request could fail for.
func TestManyReadsTouchOneSession(t *testing.T) {
	const readers = 3000
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		app := testbed.NewApp(t, tab, func(o *sessions.Options) { o.TouchInterval = -1 })
		user := app.Browser(t)
		user.OK("/login?u=alice")
		cookie := user.Cookie()
		before := tab.Statements.Load()
		var refused atomic.Int32
		testbed.Parallel(readers, func(int) {
			r := httptest.NewRequest(http.MethodGet, app.Server.URL+"/read", nil)
			r.AddCookie(cookie)
			w := httptest.NewRecorder()
			if app.Server.Config.Handler.ServeHTTP(w, r); w.Code != http.StatusOK {
				refused.Add(1)
			}
		})
		if n := refused.Load(); n > 0 {
			t.Errorf("%d of %d requests that only read were refused", n, readers)
		}
		// A touch that waited for one like it has nothing left to do.
		if each := float64(tab.Statements.Load()-before) / readers; each > 0.5 && b.Dialect != migrations.SQLite {
			t.Errorf("%.2f statements a request", each)
		}
	})
}
