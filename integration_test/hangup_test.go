package integration_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/migrations"
)

// A client that hangs up neither loses a save nor half-finishes a logout.
func TestClientHangsUp(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		user := a.browser(t)
		user.ok("/login?u=alice")
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server.URL+"/slow?v=saved", nil)
		check(t, err)
		left := make(chan error, 1)
		go func() {
			answer, err := user.Do(r)
			if err == nil {
				answer.Body.Close()
			}
			left <- err
		}()
		resume := <-a.slow
		cancel()
		if err := <-left; err == nil {
			t.Error("the client did not hang up")
		}
		close(resume)
		a.server.Close() // waits for the handler
		s := a.session(t, user)
		if got, _ := value.Get(s); got != "saved" {
			t.Errorf("the session holds %q, want what the handler stored", got)
		}
	})
}

// Who hangs up before the session is there costs the database no connection.
func TestClientHangsUpEarly(t *testing.T) {
	eachServer(t, func(t *testing.T, b backend) {
		tab := b.connectSized(t, "", 1).newTable(t)
		a := newApp(t, tab)
		user := a.browser(t)
		user.ok("/login?u=alice")
		ctx, hangUp := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/user", nil)
		r.AddCookie(user.cookie())
		var opened int64
		if tab.pool != nil {
			opened = tab.pool.Stat().NewConnsCount()
		}
		unlock := tab.lock(t)
		answer := httptest.NewRecorder()
		served := make(chan struct{})
		go func() {
			defer close(served)
			a.server.Config.Handler.ServeHTTP(answer, r)
		}()
		waitForLoad(t)
		hangUp()
		unlock()
		<-served
		if answer.Code != http.StatusOK || answer.Body.String() != "alice" {
			t.Errorf("answered %d %q", answer.Code, answer.Body)
		}
		if tab.pool != nil && tab.pool.Stat().NewConnsCount() != opened {
			t.Errorf("%d connections were opened, %d before", tab.pool.Stat().NewConnsCount(), opened)
		}
	})
}

// lock lets nobody read the table.
func (tab *table) lock(t *testing.T) (unlock func()) {
	t.Helper()
	conn := tab.connection(t)
	do := func(statement string) {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), statement)
		check(t, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if tab.dialect == migrations.MySQL {
		do("LOCK TABLES " + tab.name + " WRITE")
		return func() { do("UNLOCK TABLES") }
	}
	do("BEGIN")
	do("LOCK TABLE " + tab.name)
	return func() { do("COMMIT") }
}

// waitForLoad waits until a request reads the answer to its load.
func waitForLoad(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for stack := range strings.SplitSeq(stacks(), "\n\n") {
			if strings.Contains(stack, "[IO wait") && strings.Contains(stack, "sessions.(*Manager).load(") {
				return
			}
		}
	}
	t.Fatal("no request waits for its load")
}
