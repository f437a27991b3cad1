package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
)

// startRun runs the program until stop is called, and returns where it listens.
func startRun(t *testing.T, args ...string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, args, in, io.Discard)
		in.CloseWithError(err)
		done <- err
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() && url == "" {
		_, url, _ = strings.Cut(lines.Text(), "Listening on ")
	}
	if url == "" {
		cancel()
		t.Fatalf("it does not listen: %v", <-done)
	}
	go io.Copy(io.Discard, out)
	return url, func() error {
		cancel()
		return <-done
	}
}

func TestRun(t *testing.T) {
	t.Setenv("SESSION_SECRET", "")
	folder := t.TempDir()
	args := []string{"--addr", "127.0.0.1:0", "--insecure-cookie", "--database-url", "sqlite:" + filepath.Join(folder, "a b?#%41.db")}

	url, stop := startRun(t, args...)
	b := (&app{url: url}).browser(t)
	b.login("alice")
	if err := stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	b.app.url, stop = startRun(t, args...)
	contains(t, b.home(), "Hello, Alice") // with the secret that the first run kept
	modes := map[string]os.FileMode{}     // of the database and its logs, while it is open
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if info, err := file.Info(); err == nil && strings.HasPrefix(file.Name(), "a b") {
			modes[file.Name()] = info.Mode().Perm()
		}
	}
	if err := stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}

	info, err := os.Stat(filepath.Join(folder, secretFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the secret has mode %v, want 0600", info.Mode())
	}
	if len(modes) < 1 || modes["a b?#%41.db"] == 0 {
		t.Errorf("the database's files: %v", modes)
	}
	for name, mode := range modes {
		if mode != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, mode)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	folder := t.TempDir()
	for _, tt := range []struct {
		name, secret string
		args         []string
		want         string
	}{
		{"a port that is taken", "", []string{"--addr", taken.Addr().String()}, "--addr"},
		{"a secret that is too short", "short", nil, "SESSION_SECRET has 5 bytes"},
		{"a database it does not know", "", []string{"--database-url", "oracle://me:hunter2@db/x"}, "postgres://"},
		{"a MySQL URL it can't read", "", []string{"--database-url", "mysql://me:hunter2/@db/x"}, "%XX"},
		{"a PostgreSQL URL it can't read", "", []string{"--database-url", "postgres://me:hunter2@db:port/x"}, "database:"},
		{"an argument", "", []string{"now"}, `unexpected argument "now"`},
		{"a flag it does not know", "", []string{"--port=1"}, "-port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SESSION_SECRET", tt.secret)
			t.Setenv("DATABASE_URL", "sqlite:"+filepath.Join(folder, "sessions.db"))
			args := append([]string{"--addr", "127.0.0.1:0"}, tt.args...)
			err := run(t.Context(), args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://me:hunter2@db/x")
	var help strings.Builder
	if err := run(t.Context(), []string{"--help"}, io.Discard, &help); err != nil {
		t.Fatal(err)
	}
	contains(t, help.String(), "Safari")
	lacks(t, help.String(), "hunter2")
}

func TestErrorPages(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		text   string
	}{
		{sessions.ErrUnavailable, http.StatusServiceUnavailable, "Try again"},
		{fmt.Errorf("save: %w", sessions.ErrEnded), http.StatusConflict, "This session has ended"},
		{sessions.ErrTooLarge, http.StatusInternalServerError, "This is our mistake"},
	} {
		w := httptest.NewRecorder()
		fail(w, httptest.NewRequest(http.MethodGet, "/", nil), tt.err)
		if w.Code != tt.status {
			t.Errorf("%v: status %d, want %d", tt.err, w.Code, tt.status)
		}
		contains(t, w.Body.String(), tt.text)
	}
}

// When the database is down, nobody is signed out, and the page that says so
// has its style sheet.
func TestDatabaseDown(t *testing.T) {
	a := newApp(t)
	b := a.browser(t)
	b.login("alice")
	before := b.cookie()
	a.db.pool.Close()
	status, page := b.postFrom("same-origin", "/logout")
	if status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", status)
	}
	contains(t, page, "Try again")
	if b.cookie() != before {
		t.Error("the cookie is gone")
	}

	response, err := b.client.Get(a.url + "/static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("style sheet: status %d", response.StatusCode)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "same-origin",
	} {
		if got := response.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestDeviceName(t *testing.T) {
	for userAgent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                         "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                   "Safari on Mac",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":                   "Chrome on Android",
		"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0":                                                                  "Firefox on Linux",
		"curl/8.14.1":               "curl",
		"<script>alert(1)</script>": "Unknown browser",
		"":                          "Unknown browser",
	} {
		if got := deviceName(userAgent); got != want {
			t.Errorf("%q: %q, want %q", userAgent, got, want)
		}
	}
}
