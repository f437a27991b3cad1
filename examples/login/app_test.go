package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var testSecret = []byte("a secret for tests: 0123456789abcdefghijklmnopqrstuvwxyz")

// An app is the demo on a server of its own.
type app struct {
	url string
	db  *database
	// close stops all of it, as the end of the program does.
	close func()
}

// startApp serves the sessions in the SQLite file at path. Cookies go without
// Secure, which Go's cookie jar asks for on plain HTTP.
func startApp(t *testing.T, path string) *app {
	t.Helper()
	db, err := openDatabase(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := newServer(db, testSecret, true)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	a := &app{url: server.URL, db: db, close: func() {
		server.Close()
		db.pool.Close()
	}}
	t.Cleanup(func() { a.close() })
	return a
}

func newApp(t *testing.T) *app {
	t.Helper()
	return startApp(t, filepath.Join(t.TempDir(), "sessions.db"))
}

// A browser keeps cookies and follows redirects.
type browser struct {
	t      *testing.T
	app    *app
	client *http.Client
}

func (a *app) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, app: a, client: &http.Client{Jar: jar}}
}

func (b *browser) do(r *http.Request) (status int, page string) {
	b.t.Helper()
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// home returns the start page.
func (b *browser) home() string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.app.url+"/", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	_, page := b.do(r)
	return page
}

// post sends a form, given as names and values, the way a page of this site
// does, and returns the page that it leads to.
func (b *browser) post(path string, form ...string) string {
	b.t.Helper()
	_, page := b.postFrom("same-origin", path, form...)
	return page
}

func (b *browser) postFrom(site, path string, form ...string) (status int, page string) {
	b.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.app.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", site)
	return b.do(r)
}

func (b *browser) login(name string) string {
	b.t.Helper()
	page := b.post("/login", "name", name, "password", "demo")
	contains(b.t, page, "Hello, "+title(name))
	return page
}

// cookie returns the value of the session's cookie.
func (b *browser) cookie() string {
	b.t.Helper()
	u, err := url.Parse(b.app.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "session" {
			return c.Value
		}
	}
	b.t.Fatal("there is no session cookie")
	return ""
}

var idPattern = regexp.MustCompile(`<code>([^<]+)</code>`)

// id returns the ID of the session of a browser that is signed in.
func (b *browser) id() string {
	b.t.Helper()
	found := idPattern.FindStringSubmatch(b.home())
	if found == nil {
		b.t.Fatal("the page shows no ID")
	}
	return found[1]
}

func (b *browser) isSignedIn(want bool) {
	b.t.Helper()
	if got := strings.Contains(b.home(), "Hello, "); got != want {
		b.t.Fatalf("signed in: %t, want %t", got, want)
	}
}

func contains(t *testing.T, page, text string) {
	t.Helper()
	if !strings.Contains(page, text) {
		t.Fatalf("%q is missing in:\n%s", text, page)
	}
}

func lacks(t *testing.T, page, text string) {
	t.Helper()
	if strings.Contains(page, text) {
		t.Fatalf("%q should not be in:\n%s", text, page)
	}
}
