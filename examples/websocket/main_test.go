package main

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func start(t *testing.T, idle time.Duration) (*http.Client, *httptest.Server, *sessions.Manager) {
	t.Helper()
	manager, err := sessions.New(memstore.New(), sessions.Options{
		Secrets:       [][]byte{[]byte("0123456789 a secret of the tests")},
		Cookie:        sessions.CookieOptions{Secure: sessions.SecureAuto},
		IdleTimeout:   idle,
		WatchInterval: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(routes(manager))
	t.Cleanup(server.Close)
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	post(t, client, server.URL+"/login")
	return client, server, manager
}

func post(t *testing.T, client *http.Client, url string) {
	t.Helper()
	res, err := client.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
}

func connect(t *testing.T, client *http.Client, server *httptest.Server) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), server.URL+"/echo", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func wantEnd(t *testing.T, conn *websocket.Conn, why sessions.Reason) {
	t.Helper()
	_, _, err := conn.Read(t.Context())
	var end websocket.CloseError
	if !errors.As(err, &end) || end.Code != websocket.StatusPolicyViolation || !strings.Contains(end.Reason, string(why)) {
		t.Errorf("the connection ended with %v, want %q", err, why)
	}
}

func TestConnectionsEndWithTheSession(t *testing.T) {
	client, server, _ := start(t, time.Hour)
	one, two := connect(t, client, server), connect(t, client, server)
	post(t, client, server.URL+"/everywhere")
	wantEnd(t, one, sessions.ReasonRevokedUser)
	wantEnd(t, two, sessions.ReasonRevokedUser)
	_, res, err := websocket.Dial(t.Context(), server.URL+"/echo", &websocket.DialOptions{HTTPClient: client})
	if err == nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a connection after the logout: %v", err)
	}
}

func TestAnOpenConnectionKeepsNoSessionAlive(t *testing.T) {
	client, server, _ := start(t, time.Second)
	wantEnd(t, connect(t, client, server), sessions.ReasonIdle)
}

func TestMessagesKeepTheSessionAlive(t *testing.T) {
	client, server, manager := start(t, time.Hour)
	seen := func() (at time.Time) {
		for s, err := range manager.SessionsOf(t.Context(), "ann") {
			if at = s.LastSeenAt(); err != nil {
				t.Fatal(err)
			}
		}
		return at
	}
	conn, before := connect(t, client, server), seen()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	if !seen().After(before) {
		t.Error("the user sent something, and the idle timeout did not move")
	}
}
