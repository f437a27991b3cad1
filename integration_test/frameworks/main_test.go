// Package frameworks tests what becomes of a session in web frameworks. docs/http.md says what
// to do in each.
package frameworks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

var count = sessions.NewKey[int]("count")

var errDown = errors.New("the database is down")

// A fixture is a manager with its log and a store that can fail.
type fixture struct {
	*sessions.Manager
	store *failing
	log   *book
}

type failing struct {
	sessions.Store
	fails bool
}

func (f *failing) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if f.fails {
		return driver.SaveResult{}, errDown
	}
	return f.Store.Create(ctx, req)
}

func (f *failing) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if f.fails {
		return driver.Row{}, errDown
	}
	return f.Store.Load(ctx, ref)
}

// A book is what was logged.
type book struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newFixture(t *testing.T, change ...func(*sessions.Options)) *fixture {
	t.Helper()
	f := &fixture{store: &failing{Store: memstore.New()}, log: new(book)}
	o := sessions.Options{
		Secrets: [][]byte{[]byte("a secret for tests: 0123456789abcdef")},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto}, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	for _, edit := range change {
		edit(&o)
	}
	m, err := sessions.New(f.store, o)
	if err != nil {
		t.Fatal(err)
	}
	f.Manager = m
	return f
}

// A browser keeps cookies.
type browser struct {
	*http.Client
	url string
}

func serve(t *testing.T, h http.Handler) *browser {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	jar, _ := cookiejar.New(nil)
	c := srv.Client()
	c.Jar = jar
	return &browser{c, srv.URL}
}

// get returns the status, whether a cookie of ours came, and the text.
func (b *browser) get(t *testing.T, path string) (status int, cookie bool, text string) {
	t.Helper()
	res, err := b.Get(b.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.Contains(res.Header.Get("Set-Cookie"), "session="), string(body)
}

// wantCounts fails unless each page shows one more, which needs cookie and save.
func wantCounts(t *testing.T, b *browser, path string) {
	t.Helper()
	for want := range 3 {
		status, cookie, text := b.get(t, path)
		if status != http.StatusOK || cookie != (want == 0) || text != string(rune('1'+want)) {
			t.Errorf("page %d has status %d, cookie %v and text %q", want+1, status, cookie, text)
		}
	}
}

// increment returns the new count as text.
func increment(ctx context.Context) string {
	return string(rune('0' + count.Update(sessions.FromContext(ctx), func(n int) int { return n + 1 })))
}

func (f *fixture) wantRows(t *testing.T, want int) {
	t.Helper()
	if n, err := f.Count(t.Context()); n != want || err != nil {
		t.Errorf("%d rows, %v; want %d", n, err, want)
	}
}

func (f *fixture) wantLog(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(f.log.String(), part) {
			t.Errorf("the log lacks %q:\n%s", part, f.log)
		}
	}
	if len(parts) == 0 && f.log.String() != "" {
		t.Errorf("the log says:\n%s", f.log)
	}
}
