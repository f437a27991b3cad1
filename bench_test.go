package sessions_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// noStore answers from memory without doing anything, so that what is measured
// is the middleware alone. The methods that are not here are not called.
type noStore struct {
	sessions.Store
	row driver.Row
}

func (n *noStore) Load(_ context.Context, ref driver.Ref) (driver.Row, error) {
	row := n.row
	row.Ref = ref
	return row, nil
}

func (n *noStore) Create(context.Context, driver.CreateRequest) (driver.SaveResult, error) {
	return driver.SaveResult{Version: 1}, nil
}

func (n *noStore) Save(_ context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	return driver.SaveResult{Version: req.Version + 1}, nil
}

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

var (
	benchUser  = sessions.NewKey[string]("user_name")
	benchCount = sessions.NewKey[int]("count")
)

func benchmarkRequests(b *testing.B, withCookie bool, handler http.HandlerFunc) {
	b.Helper()
	// Some 500 bytes, as sessions have.
	data := []byte(`{"count":41,"user_name":"alice","cart":[` + strings.Repeat(`{"sku":"A-1001","n":2},`, 18) + `{}],"theme":"dark"}`)
	store := &noStore{row: driver.Row{
		User: "alice", Data: data, Version: 1, CreatedAt: time.Now(),
		ExpiresIn: 24 * time.Hour, AbsoluteIn: 30 * 24 * time.Hour,
	}}
	manager, err := sessions.New(store, sessions.Options{Secrets: [][]byte{[]byte("a secret of at least thirty-two bytes")}})
	if err != nil {
		b.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	if withCookie {
		first := httptest.NewRecorder()
		manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			benchCount.Set(sessions.FromContext(r.Context()), 1)
		})).ServeHTTP(first, request)
		request.AddCookie(first.Result().Cookies()[0])
	}
	h := manager.Handler(handler)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, request)
	}
}

func BenchmarkUntouchedVisitor(b *testing.B) {
	benchmarkRequests(b, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
}

func BenchmarkRead(b *testing.B) {
	benchmarkRequests(b, true, func(w http.ResponseWriter, r *http.Request) {
		name, _ := benchUser.Get(sessions.FromContext(r.Context()))
		_, _ = io.WriteString(w, name)
	})
}

func BenchmarkWrite(b *testing.B) {
	benchmarkRequests(b, true, func(w http.ResponseWriter, r *http.Request) {
		benchCount.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 })
		_, _ = io.WriteString(w, "counted")
	})
}

func BenchmarkNewSession(b *testing.B) {
	benchmarkRequests(b, false, func(w http.ResponseWriter, r *http.Request) {
		benchCount.Set(sessions.FromContext(r.Context()), 1)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 10))
	})
}
