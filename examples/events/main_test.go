package main

import (
	"bufio"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
	client := &http.Client{Jar: jar, Timeout: time.Minute}
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

// listen opens a stream, and returns it after its first event.
func listen(t *testing.T, client *http.Client, server *httptest.Server) *bufio.Reader {
	t.Helper()
	res, err := client.Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	stream := bufio.NewReader(res.Body)
	if line, err := stream.ReadString('\n'); !strings.HasPrefix(line, "data: ") {
		t.Fatalf("%s: %q, %v", res.Status, line, err)
	}
	return stream
}

// last returns the last two lines of a stream.
func last(stream *bufio.Reader) string {
	var lines []string
	for scanner := bufio.NewScanner(stream); scanner.Scan(); {
		if line := scanner.Text(); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-2):], ", ")
}

func TestStreamsEndWithTheSession(t *testing.T) {
	client, server, _ := start(t, time.Hour)
	one, two := listen(t, client, server), listen(t, client, server)
	post(t, client, server.URL+"/everywhere")
	for _, stream := range []*bufio.Reader{one, two} {
		if got := last(stream); got != "event: ended, data: revoked user" {
			t.Errorf("the stream ended with %q", got)
		}
	}
	if res, err := client.Get(server.URL + "/events"); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stream after the logout: %v, %v", res, err)
	}
}

func TestAnOpenStreamKeepsNoSessionAlive(t *testing.T) {
	client, server, _ := start(t, time.Second)
	if got := last(listen(t, client, server)); got != "event: ended, data: idle" {
		t.Errorf("the stream ended with %q", got)
	}
}

func TestActivityKeepsTheSessionAlive(t *testing.T) {
	client, server, manager := start(t, time.Hour)
	seen := func() (at time.Time) {
		for s, err := range manager.SessionsOf(t.Context(), "ann") {
			if at = s.LastSeenAt(); err != nil {
				t.Fatal(err)
			}
		}
		return at
	}
	before := seen()
	post(t, client, server.URL+"/active")
	if !seen().After(before) {
		t.Error("the user was active, and the idle timeout did not move")
	}
}
