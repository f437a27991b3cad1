package requests_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A client that hangs up neither loses a save nor half-finishes a logout.
func TestClientHangsUp(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		user := a.Browser(t)
		user.OK("/login?u=alice")
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Server.URL+"/slow?v=saved", nil)
		testbed.Check(t, err)
		left := make(chan error, 1)
		go func() {
			answer, err := user.Do(r)
			if err == nil {
				answer.Body.Close()
			}
			left <- err
		}()
		resume := <-a.Slow
		cancel()
		if err := <-left; err == nil {
			t.Error("the client did not hang up")
		}
		close(resume)
		a.Server.Close() // waits for the handler
		s := a.Session(t, user)
		if got, _ := testbed.Value.Get(s); got != "saved" {
			t.Errorf("the session holds %q, want what the handler stored", got)
		}
	})
}

// A client that hangs up before its session is loaded costs the database no connection.
func TestClientHangsUpEarly(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		tab := b.ConnectSized(t, "", 1).NewTable(t)
		a := testbed.NewApp(t, tab)
		user := a.Browser(t)
		user.OK("/login?u=alice")
		ctx, hangUp := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/user", nil)
		r.AddCookie(user.Cookie())
		var opened int64
		if tab.Pool != nil {
			opened = tab.Pool.Stat().NewConnsCount()
		}
		unlock := lock(t, tab)
		answer := httptest.NewRecorder()
		served := make(chan struct{})
		go func() {
			defer close(served)
			a.Server.Config.Handler.ServeHTTP(answer, r)
		}()
		waitForLoad(t)
		hangUp()
		unlock()
		<-served
		if answer.Code != http.StatusOK || answer.Body.String() != "alice" {
			t.Errorf("answered %d %q", answer.Code, answer.Body)
		}
		if tab.Pool != nil && tab.Pool.Stat().NewConnsCount() != opened {
			t.Errorf("%d connections were opened, %d before", tab.Pool.Stat().NewConnsCount(), opened)
		}
	})
}

// lock locks the table against reading.
func lock(t *testing.T, tab *testbed.Table) (unlock func()) {
	t.Helper()
	conn := tab.Connection(t)
	do := func(statement string) {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), statement)
		testbed.Check(t, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if tab.Dialect == migrations.MySQL {
		do("LOCK TABLES " + tab.Name + " WRITE")
		return func() { do("UNLOCK TABLES") }
	}
	do("BEGIN")
	do("LOCK TABLE " + tab.Name)
	return func() { do("COMMIT") }
}

// waitForLoad waits until a request reads the answer to its load.
func waitForLoad(t *testing.T) {
	t.Helper()
	testbed.Await(t, "a request waits for its load", func() bool {
		for stack := range strings.SplitSeq(testbed.Stacks(), "\n\n") {
			if strings.Contains(stack, "[IO wait") && strings.Contains(stack, "sessions.(*core).load(") {
				return true
			}
		}
		return false
	})
}
