package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// A visitor who only looks costs no row, and one who clicks costs one.
func TestLookingWritesNothing(t *testing.T) {
	manager, err := sessions.New(memstore.New(), sessions.Options{
		Secrets: [][]byte{[]byte("a secret for tests: 0123456789ab")},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", show)
	mux.HandleFunc("POST /{$}", click)
	server := httptest.NewServer(manager.Handler(mux))
	defer server.Close()
	for range 30 {
		if _, err := server.Client().Get(server.URL); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(want int) {
		t.Helper()
		if n, err := manager.Count(t.Context()); n != want || err != nil {
			t.Errorf("%d rows, %v; want %d", n, err, want)
		}
	}
	rows(0)
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	for range 3 {
		res, err := client.PostForm(server.URL, url.Values{})
		if err != nil {
			t.Fatal(err)
		}
		if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
			t.Errorf("the page is %s", kind)
		}
	}
	rows(1)
}
