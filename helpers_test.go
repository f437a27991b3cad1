package sessions_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

var (
	secretA = []byte("secret A: 0123456789abcdefghijkl")
	secretB = []byte("secret B: mnopqrstuvwxyz98765432")
)

var (
	count = sessions.NewKey[int]("count")
	name  = sessions.NewKey[string]("name")
)

// cookieName is the default name under SecureAuto, the mode of newManager.
const cookieName = "session"

var errDown = errors.New("the database is down")

// newManager returns a manager for tests over plain HTTP. Its log is dropped
// unless change sets another one.
func newManager(tb testing.TB, store sessions.Store, change ...func(*sessions.Options)) *sessions.Manager {
	tb.Helper()
	o := sessions.Options{
		Secrets: [][]byte{secretA},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
		Logger:  slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	m, err := sessions.New(store, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// saveRow puts a row back as another program would.
func saveRow(tb testing.TB, store sessions.Store, row driver.Row) error {
	tb.Helper()
	_, err := store.Save(tb.Context(), driver.SaveRequest{
		From: row.Ref, Version: row.Version, Verifier: row.Verifier,
		User: row.User, Label: row.Label, Data: row.Data, Life: driver.Life{Idle: time.Hour},
	})
	return err
}

// randomRef returns a name and proof that no other row has.
func randomRef() driver.Ref {
	return driver.Ref{ID: sessions.ID(uuid.Format(uuid.New())), Verifier: driver.Verifier(rand.Text()[:16] + rand.Text()[:16])}
}

// A visitor is a browser with one cookie and no network: its requests go
// straight to the manager's handler.
type visitor struct {
	tb      testing.TB
	manager *sessions.Manager
	cookie  string // the value, or "" for none
}

func newVisitor(tb testing.TB, m *sessions.Manager) *visitor { return &visitor{tb: tb, manager: m} }

// loggedIn returns a visitor whose session has count 1 and a row.
func loggedIn(tb testing.TB, m *sessions.Manager) *visitor {
	tb.Helper()
	v := newVisitor(tb, m)
	v.visit(func(s *sessions.Session) { count.Set(s, 1) })
	if v.cookie == "" {
		tb.Fatal("no cookie came for a session with a value")
	}
	return v
}

// twin is the same browser, for a parallel request.
func (v *visitor) twin() *visitor { c := *v; return &c }

// serve runs one request through h and keeps the cookie that comes back.
func (v *visitor) serve(h http.HandlerFunc) *http.Response {
	v.tb.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
	if v.cookie != "" {
		r.Header.Set("Cookie", cookieName+"="+v.cookie)
	}
	rec := httptest.NewRecorder()
	v.manager.Handler(h).ServeHTTP(rec, r)
	res := rec.Result()
	if c := ours(v.tb, res); c != nil {
		v.cookie = c.Value
	}
	return res
}

// visit runs one request that does f and answers 200 where that is saved.
func (v *visitor) visit(f func(s *sessions.Session)) *http.Response {
	v.tb.Helper()
	return v.serve(func(w http.ResponseWriter, r *http.Request) {
		f(sessions.FromContext(r.Context()))
		_, _ = io.WriteString(w, "done")
	})
}

// look returns what f sees of the stored session.
func look[T any](v *visitor, f func(s *sessions.Session) T) (got T) {
	v.tb.Helper()
	wantStatus(v.tb, v.visit(func(s *sessions.Session) { got = f(s) }), http.StatusOK)
	return got
}

// value returns the stored value of k, or zero.
func value[T any](v *visitor, k sessions.Key[T]) T {
	v.tb.Helper()
	return look(v, func(s *sessions.Session) T { x, _ := k.Get(s); return x })
}

// alive reports whether the cookie still names a session.
func (v *visitor) alive() bool {
	v.tb.Helper()
	_, err := v.manager.Load(v.tb.Context(), v.cookie)
	if err != nil && !errors.Is(err, sessions.ErrNotFound) {
		v.tb.Fatal(err)
	}
	return err == nil
}

// ours returns the response's cookie of our name, nil where there is none, and
// fails the test where there are two.
func ours(tb testing.TB, res *http.Response) *http.Cookie {
	tb.Helper()
	var found *http.Cookie
	for _, c := range res.Cookies() {
		if c.Name != cookieName {
			continue
		}
		if found != nil {
			tb.Fatalf("two Set-Cookie lines of our name: %q", res.Header["Set-Cookie"])
		}
		found = c
	}
	return found
}

func wantStatus(tb testing.TB, res *http.Response, want int) {
	tb.Helper()
	if res.StatusCode != want {
		tb.Fatalf("status %d, want %d", res.StatusCode, want)
	}
}

func wantRows(tb testing.TB, m *sessions.Manager, want int) {
	tb.Helper()
	if got, err := m.Count(tb.Context()); err != nil || got != want {
		tb.Errorf("%d rows, %v; want %d", got, err, want)
	}
}

// body returns the text of a response.
func body(tb testing.TB, res *http.Response) string {
	tb.Helper()
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// A logBook collects what is logged, one JSON line a record.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (b *logBook) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lines returns the records of a level, such as "WARN".
func (b *logBook) lines(tb testing.TB, level string) []map[string]any {
	tb.Helper()
	var found []map[string]any
	for line := range strings.Lines(b.text()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			tb.Fatal(err)
		}
		if record["level"] == level {
			found = append(found, record)
		}
	}
	return found
}

// touch moves the idle timeout now.
func touch(s *sessions.Session) { _ = s.Touch(context.Background()) }

// has reports whether the session holds a value of the key.
func has[T any](k sessions.Key[T], s *sessions.Session) bool {
	_, ok := k.Get(s)
	return ok
}

func signIn(s *sessions.Session) { s.SetUser("ann") }

// quiet is for servers whose handlers panic on purpose.
var quiet = log.New(io.Discard, "", 0)
