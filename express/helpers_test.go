package express_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/memstore"
)

const secret = "keyboard cat"

var (
	views = sessions.NewKey[int]("views")
	name  = sessions.NewKey[string]("name")
)

func newManager(tb testing.TB, store sessions.Store, change ...func(*express.Options)) *sessions.Manager {
	tb.Helper()
	o := express.Options{Secrets: []string{secret}, Sessions: sessions.Options{Logger: slog.New(slog.DiscardHandler)}}
	for _, f := range change {
		f(&o)
	}
	m, err := express.New(store, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// A spy notes the calls of a store by the names that express-session has for them.
type spy struct {
	sessions.Store
	mu    sync.Mutex
	ops   []string
	fails map[string]error // instead of the call
}

func newSpy() *spy { return &spy{Store: memstore.New()} }

func (s *spy) note(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, op)
	return s.fails[op]
}

// failing makes one operation fail from now on; nil ends that.
func (s *spy) failing(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = map[string]error{op: err}
}

func (s *spy) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ops := s.ops
	s.ops = nil
	return ops
}

func (s *spy) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if err := s.note("get"); err != nil {
		return driver.Row{}, err
	}
	return s.Store.Load(ctx, ref)
}

func (s *spy) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if err := s.note("set"); err != nil {
		return driver.SaveResult{}, err
	}
	return s.Store.Create(ctx, req)
}

func (s *spy) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	op := "set"
	if req.Verifier != req.From.Verifier {
		op = "rename"
	}
	if err := s.note(op); err != nil {
		return driver.SaveResult{}, err
	}
	return s.Store.Save(ctx, req)
}

func (s *spy) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	if err := s.note("touch"); err != nil {
		return driver.SaveResult{}, err
	}
	return s.Store.Touch(ctx, req)
}

func (s *spy) End(ctx context.Context, req driver.EndRequest) error {
	if err := s.note("destroy"); err != nil {
		return err
	}
	return s.Store.End(ctx, req)
}

// A browser keeps what a test's last response set, by the cookie's name.
type browser struct {
	tb      testing.TB
	manager *sessions.Manager
	cookies map[string]string // values as they stand in the header
	request func(*http.Request)
}

func newBrowser(tb testing.TB, m *sessions.Manager) *browser {
	return &browser{tb: tb, manager: m, cookies: map[string]string{}}
}

func (b *browser) serve(h http.HandlerFunc) *http.Response {
	b.tb.Helper()
	r := httptest.NewRequestWithContext(b.tb.Context(), http.MethodGet, "/", nil)
	var pairs []string
	for name, value := range b.cookies {
		pairs = append(pairs, name+"="+value)
	}
	if slices.Sort(pairs); len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	if b.request != nil {
		b.request(r)
	}
	w := httptest.NewRecorder()
	b.manager.Handler(h).ServeHTTP(w, r)
	res := w.Result()
	for _, line := range res.Header["Set-Cookie"] {
		pair, rest, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		if b.cookies[name] = value; value == "" || strings.Contains(rest, "01 Jan 1970") {
			delete(b.cookies, name)
		}
	}
	return res
}

// visit runs f with the request's session.
func (b *browser) visit(f func(s *sessions.Session)) *http.Response {
	b.tb.Helper()
	return b.serve(func(_ http.ResponseWriter, r *http.Request) { f(sessions.FromContext(r.Context())) })
}

func value[T any](b *browser, k sessions.Key[T]) (v T) {
	b.tb.Helper()
	b.visit(func(s *sessions.Session) { v, _ = k.Get(s) })
	return v
}

// touch moves the idle timeout now.
func touch(s *sessions.Session) { _ = s.Touch(context.Background()) }

// has reports whether the session holds a value of the key.
func has[T any](k sessions.Key[T], s *sessions.Session) bool {
	_, ok := k.Get(s)
	return ok
}
