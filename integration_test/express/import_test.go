package express_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

var (
	cart     = sessions.NewKey[[]string]("cart")
	passport = sessions.NewKey[map[string]any]("passport")
)

// visit sends one request with a Cookie header and returns the cookies that came back.
func visit(t *testing.T, m *sessions.Manager, cookie string, f func(s *sessions.Session)) (status int, cookies map[string]string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f(sessions.FromContext(r.Context()))
	})).ServeHTTP(w, r)
	cookies = map[string]string{}
	for _, line := range w.Result().Header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		cookies[name] = value
	}
	return w.Code, cookies
}

// From the table of an Express application to our own, by the CLI, while requests
// go on: no user is logged out.
func TestExpressImport(t *testing.T) {
	cli := testbed.Build(t, "./cmd/sessions")
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		if b.Name != "postgres" && b.Name != "mysql" {
			return // the CLI has one way in to each
		}
		tab := b.NewTable(t)
		old := foreignTable(t, tab.Conns)
		store, err := old.open(t)
		testbed.Check(t, err)
		before, err := express.New(store, express.Options{Secrets: []string{"keyboard cat"}})
		testbed.Check(t, err)
		const users = 1200 // three pages
		browsers := make([]string, users)
		testbed.Parallel(8, func(worker int) {
			for i := worker; i < users; i += 8 {
				_, cookies := visit(t, before, "", func(s *sessions.Session) {
					cart.Set(s, []string{fmt.Sprint("item ", i), "😀"})
					passport.Set(s, map[string]any{"user": i})
				})
				browsers[i] = "connect.sid=" + cookies["connect.sid"]
			}
		})
		old.run(t, insertBadRow(b.Dialect))
		options := sessions.Options{Secrets: [][]byte{[]byte("another secret of 32 bytes or more")}}
		source := takeover.From{Manager: before, Until: time.Now().Add(time.Hour), UserKey: "passport.user"}
		after, err := takeover.New(tab.Store, options, source)
		testbed.Check(t, err)
		sees := func(i int, m *sessions.Manager, cookie string) (cookies map[string]string) {
			t.Helper()
			status, cookies := visit(t, m, cookie, func(s *sessions.Session) {
				if got, _ := cart.Get(s); len(got) != 2 || got[0] != fmt.Sprint("item ", i) || s.User() != fmt.Sprint(i) {
					t.Errorf("user %d has %v, as %q", i, got, s.User())
				}
			})
			if status != http.StatusOK {
				t.Errorf("user %d: %d", i, status)
			}
			return cookies
		}

		// Half of the users come by while the import runs.
		var moved atomic.Int64
		came := make(chan struct{})
		go func() {
			defer close(came)
			testbed.Parallel(4, func(worker int) {
				for i := worker * 2; i < users; i += 8 {
					if sees(i, after, browsers[i])["__Host-session"] != "" {
						moved.Add(1)
					}
				}
			})
		}()
		from := map[migrations.Dialect]string{migrations.PostgreSQL: "connect-pg-simple", migrations.MySQL: "express-mysql-session"}[b.Dialect]
		url := map[migrations.Dialect]string{migrations.PostgreSQL: testbed.PostgresURL, migrations.MySQL: testbed.MySQLURL}[b.Dialect]
		run := func() (r takeover.Report) {
			t.Helper()
			got := testbed.Command(t, []string{"DATABASE_URL=" + url}, cli, "import", "--from", from, "--table", tab.Name,
				"--from-table", old.name, "--user-key", "passport.user", "--json")
			if err := json.Unmarshal([]byte(got.Stdout), &r); err != nil || got.Code != 5 || !strings.Contains(got.Stdout, `"verified": true`) {
				t.Fatalf("import: %d %s %s", got.Code, got.Stdout, got.Stderr)
			}
			if strings.Contains(got.Stderr, "keyboard") || strings.Contains(got.Stderr, "s%3A") {
				t.Errorf("a secret in the log: %s", got.Stderr)
			}
			// What docs/express.md says finds the row that was skipped.
			_, line, _ := strings.Cut(got.Stderr, "a session was not imported")
			_, id, _ := strings.Cut(line, "id=")
			query := "SELECT count(*) FROM " + old.name + " WHERE encode(sha256(convert_to(sid, 'UTF8')), 'hex') LIKE $1"
			if b.Dialect == migrations.MySQL {
				query = "SELECT COUNT(*) FROM " + old.name + " WHERE SHA2(session_id, 256) LIKE ?"
			}
			found := 0
			if err := tab.DB.QueryRowContext(t.Context(), query, id[:8]+id[9:13]+"%").Scan(&found); found != 1 || err != nil {
				t.Errorf("%d rows are found by the ID in the log: %v; %s", found, err, line)
			}
			return r
		}
		first := run()
		<-came
		if moved.Load() != users/2 {
			t.Errorf("%d of %d users got a cookie of ours", moved.Load(), users/2)
		}
		if n := tab.Rows(t); n < users {
			t.Errorf("%d sessions after the import, want %d", n, users)
		}
		// One logs out of the old application, and the last import runs when that has stopped.
		visit(t, before, browsers[1], (*sessions.Session).Destroy)
		second := run()
		if second.Read != users/2 || second.Skipped != 1 || second.Copied+second.Updated+second.Unchanged != users/2-1 || second.Removed != 1 {
			t.Errorf("the second import: %+v", second)
		}
		t.Logf("%s: first %+v, second %+v, while %d users moved over", b.Name, first, second, moved.Load())

		source.ImportedOnly = true
		old.run(t, "DROP TABLE "+old.name)
		last, err := takeover.New(tab.Store, options, source)
		testbed.Check(t, err)
		for i := range users {
			if i != 1 {
				sees(i, last, browsers[i])
			}
		}
		visit(t, last, browsers[1], func(s *sessions.Session) {
			if !s.IsNew() {
				t.Error("who logged out is logged in again")
			}
		})
		if live, _, err := testbed.Count(t.Context(), tab.Store); live != users-1 || err != nil {
			t.Errorf("%d sessions in the end, %v, want %d", live, err, users-1)
		}
	})
}

// insertBadRow makes a row that Node itself chokes on.
func insertBadRow(d migrations.Dialect) string {
	if d == migrations.PostgreSQL {
		return `INSERT INTO $TABLE (sid, sess, expire) VALUES ('bad', '{"no":"cookie"}', now() + interval '1 hour')`
	}
	return "INSERT INTO $TABLE (session_id, data, expires) VALUES ('bad', '{\"no\":\"cookie\"}', UNIX_TIMESTAMP() + 3600)"
}
