package main

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func TestRoutesMoveOneByOne(t *testing.T) {
	t.Parallel()
	manager, err := sessions.New(memstore.New(), sessions.Options{Secrets: [][]byte{[]byte(rand.Text() + rand.Text())}})
	if err != nil {
		t.Fatal(err)
	}
	h := &handover{
		old: manager, shop: newShop(), inGo: map[string]bool{},
		express: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "Express: "+r.URL.Path) }),
	}
	ask := func(method, path string, header ...string) (int, string) {
		r := httptest.NewRequestWithContext(context.Background(), method, path, nil)
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		h.handler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if _, body := ask(http.MethodGet, "/account"); body != "Express: /account" {
		t.Errorf("before: %s", body)
	}
	h.inGo["account"] = true
	if _, body := ask(http.MethodGet, "/account"); !strings.Contains(body, `"runtime":"Go"`) || !strings.Contains(body, `"cart":{}`) {
		t.Errorf("moved: %s", body)
	}
	if _, body := ask(http.MethodPost, "/cart"); body != "Express: /cart" {
		t.Errorf("the other: %s", body)
	}
	if status, _ := ask(http.MethodPost, "/move/admin"); status != http.StatusNotFound {
		t.Errorf("an unknown route: %d", status)
	}
	if status, _ := ask(http.MethodPost, "/move/cart", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden || h.inGo["cart"] {
		t.Errorf("from another site: %d", status)
	}
	if status, body := ask(http.MethodGet, "/"); status != http.StatusOK || !strings.Contains(body, "From Express to Go") {
		t.Errorf("the page: %d", status)
	}
}

func TestBadDatabaseURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                "--database-url",
		"sqlite:file.db":                  "postgres://USER:PASSWORD@HOST/NAME",
		"postgres://u:sec%ret@h/d":        "write special characters",
		"postgres://u:secret@127.0.0.1:1": "connect",
	} {
		err := run(t.Context(), []string{"--addr", "127.0.0.1:0", "--database-url", url}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec%ret") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestWithoutNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := installApp(t.Context(), t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "Node 20") {
		t.Error(err)
	}
}

func TestOldNode(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, program := range []string{"node", "npm"} {
		script := []byte("#!/bin/sh\necho v18.20.4\n")
		if err := os.WriteFile(filepath.Join(dir, program), script, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := installApp(t.Context(), t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "v18.20.4") {
		t.Error(err)
	}
}

func TestOnlyThisMachineIsServed(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "example.com:80"} {
		err := run(t.Context(), []string{"--addr", addr, "--database-url", "sqlite:x"}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "this machine only") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
