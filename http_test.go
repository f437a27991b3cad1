package sessions_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// docs/http.md has a row for each of these tests.

// do sends a request with a body and returns the answer with its body.
func do(t *testing.T, client *http.Client, method, url, text string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res, body(t, res)
}

func plusOne(r *http.Request) int {
	return count.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 })
}

// stored returns the count of the only session there is, or -1.
func stored(t *testing.T, m *sessions.Manager) int {
	t.Helper()
	n := -1
	for s, err := range m.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n, _ = count.Get(s)
	}
	return n
}

// After the deadline the handler goes on, its answer goes nowhere, and its session is saved.
func TestATimeoutHandlerOutside(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	finished := make(chan struct{})
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if plusOne(r) == 2 {
			<-r.Context().Done()
			defer close(finished)
		}
		_, _ = io.WriteString(w, "done")
	}))
	ended := make(chan struct{})
	tells := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		select {
		case <-finished:
			close(ended)
		default:
		}
	})
	srv, client := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := time.Hour
		if r.URL.Path == "/slow" {
			limit = time.Millisecond
		}
		http.TimeoutHandler(tells, limit, "too slow").ServeHTTP(w, r)
	}))
	res, _ := do(t, client, http.MethodGet, srv.URL, "")
	wantStatus(t, res, http.StatusOK)
	res, _ = do(t, client, http.MethodGet, srv.URL+"/slow", "")
	wantStatus(t, res, http.StatusServiceUnavailable)
	if <-ended; stored(t, m) != 2 {
		t.Errorf("count is %d, want 2", stored(t, m))
	}
}

func TestABodyThatIsTooLarge(t *testing.T) {
	t.Parallel()
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plusOne(r)
		_, err := io.ReadAll(r.Body)
		if large := new(http.MaxBytesError); errors.As(err, &large) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	for what, wrap := range map[string]func(*sessions.Manager) http.Handler{
		"MaxBytesHandler outside": func(m *sessions.Manager) http.Handler { return http.MaxBytesHandler(m.Handler(read), 5) },
		"MaxBytesHandler inside":  func(m *sessions.Manager) http.Handler { return m.Handler(http.MaxBytesHandler(read, 5)) },
	} {
		m := newManager(t, memstore.New())
		srv, client := newServer(t, wrap(m))
		for text, want := range map[string]int{"short": http.StatusOK, "longer": http.StatusRequestEntityTooLarge} {
			if res, _ := do(t, client, http.MethodPost, srv.URL, text); res.StatusCode != want {
				t.Errorf("%s: status %d for %q, want %d", what, res.StatusCode, text, want)
			}
		}
		if n := stored(t, m); n != 2 {
			t.Errorf("%s: count is %d, want 2", what, n)
		}
	}
}

// recoverer answers 500 to a panic.
func recoverer(discard bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() == nil {
				return
			}
			if discard {
				sessions.FromContext(r.Context()).Discard()
			}
			http.Error(w, "sorry", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

func TestAPanicAndWhoRecoversIt(t *testing.T) {
	t.Parallel()
	panics := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if plusOne(r) > 1 {
			panic("boom")
		}
	})
	for what, c := range map[string]struct {
		wrap func(*sessions.Manager) http.Handler
		want int
	}{
		"outside":              {func(m *sessions.Manager) http.Handler { return recoverer(false, m.Handler(panics)) }, 1},
		"inside":               {func(m *sessions.Manager) http.Handler { return m.Handler(recoverer(false, panics)) }, 2},
		"inside, with Discard": {func(m *sessions.Manager) http.Handler { return m.Handler(recoverer(true, panics)) }, 1},
	} {
		m := newManager(t, memstore.New())
		srv, client := newServer(t, c.wrap(m))
		do(t, client, http.MethodGet, srv.URL, "")
		res, _ := do(t, client, http.MethodGet, srv.URL, "")
		if n := stored(t, m); n != c.want || res.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: count %d, status %d; want %d and 500", what, n, res.StatusCode, c.want)
		}
	}
}

// The first byte decides: what was saved before it stays, and nothing is saved after it.
func TestErrAbortHandler(t *testing.T) {
	t.Parallel()
	for first, want := range map[bool]int{false: 1, true: 2} {
		m := newManager(t, memstore.New())
		srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if plusOne(r) == 1 {
				return
			}
			if first {
				_, _ = io.WriteString(w, "half of it")
			}
			plusOne(r)
			panic(http.ErrAbortHandler)
		})))
		do(t, client, http.MethodGet, srv.URL, "")
		res, err := client.Post(srv.URL, "", http.NoBody) // which no client sends twice
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if n := stored(t, m); n != want || err == nil {
			t.Errorf("after the first byte %v: count %d, %v; want %d and a cut connection", first, n, err, want)
		}
	}
}

// A buffer holds back the answer as compressing middleware does.
type buffer struct {
	http.ResponseWriter
	status int
	text   bytes.Buffer
}

func (b *buffer) WriteHeader(status int)      { b.status = status }
func (b *buffer) Write(p []byte) (int, error) { return b.text.Write(p) }

func buffered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &buffer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(b, r)
		w.Header().Set("X-Buffered", "yes")
		w.WriteHeader(b.status)
		_, _ = b.text.WriteTo(w)
	})
}

func TestMiddlewareThatBuffers(t *testing.T) {
	t.Parallel()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plusOne(r)
		_, _ = io.WriteString(w, "begun")
		plusOne(r)
	})
	for what, wrap := range map[string]func(*sessions.Manager) http.Handler{
		"outside": func(m *sessions.Manager) http.Handler { return buffered(m.Handler(answer)) },
		"inside":  func(m *sessions.Manager) http.Handler { return m.Handler(buffered(answer)) },
	} {
		store := newSpy()
		m := newManager(t, store)
		srv, client := newServer(t, wrap(m))
		res, text := do(t, client, http.MethodGet, srv.URL, "")
		if n := stored(t, m); ours(t, res) == nil || n != 2 || text != "begun" || res.Header.Get("X-Buffered") != "yes" {
			t.Errorf("%s: count %d, text %q, header %v", what, n, text, res.Header)
		}
		store.reset(failing(errDown, "save"))
		if res, text := do(t, client, http.MethodGet, srv.URL, ""); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(text, "begun") {
			t.Errorf("%s: status %d and text %q with a failed save", what, res.StatusCode, text)
		}
	}
}

// Outside of the manager the pattern is known afterwards, and the values of the path are not.
func TestServeMuxInside(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("GET /users/{name}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plusOne(r)
		_, _ = io.WriteString(w, r.PathValue("name"))
	}))
	m := newManager(t, memstore.New())
	inside := http.StripPrefix("/api", m.Handler(mux))
	srv, client := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stripped := r.Clone(r.Context())
		stripped.URL.Path = strings.TrimPrefix(r.URL.Path, "/api")
		if r.URL.Path == "/api/users/ann" {
			m.Handler(mux).ServeHTTP(w, stripped)
			if stripped.Pattern != "GET /users/{name}" || stripped.PathValue("name") != "" {
				t.Errorf("outside, the pattern is %q and the name %q", stripped.Pattern, stripped.PathValue("name"))
			}
			return
		}
		inside.ServeHTTP(w, r)
	}))
	for _, name := range []string{"ann", "bob"} {
		if res, text := do(t, client, http.MethodGet, srv.URL+"/api/users/"+name, ""); text != name || res.StatusCode != http.StatusOK {
			t.Errorf("status %d, text %q, want %s", res.StatusCode, text, name)
		}
	}
	if n := stored(t, m); n != 2 {
		t.Errorf("count is %d, want 2", n)
	}
}

func TestCrossOriginProtectionOutsideAsksNoStore(t *testing.T) {
	t.Parallel()
	for what, calls := range map[string]int{"outside": 0, "inside": 1} {
		store := newSpy()
		m := newManager(t, store)
		page := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { plusOne(r) })
		h := http.NewCrossOriginProtection().Handler(m.Handler(page))
		if what == "inside" {
			h = m.Handler(http.NewCrossOriginProtection().Handler(page))
		}
		srv, client := newServer(t, h)
		do(t, client, http.MethodPost, srv.URL, "")
		store.reset(nil)
		res, _ := do(t, client, http.MethodPost, srv.URL, "", "Sec-Fetch-Site", "cross-site")
		if wantStatus(t, res, http.StatusForbidden); store.count() != calls || stored(t, m) != 1 {
			t.Errorf("%s: %d calls of the store, count %d; want %d and 1", what, store.count(), stored(t, m), calls)
		}
	}
}

// A proxy passes on all cookies, and what comes back beside the session's own.
func TestAReverseProxyInside(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "behind", Value: "x"})
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
		w.Header().Set("X-Sum", "7")
	}))
	t.Cleanup(backend.Close)
	target, _ := url.Parse(backend.URL)
	m := newManager(t, memstore.New())
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if r.In.URL.Path == "/without" {
			r.Out.Header.Del("Cookie")
		}
	}}
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plusOne(r)
		proxy.ServeHTTP(w, r)
	})))
	res, _ := do(t, client, http.MethodGet, srv.URL, "")
	if len(res.Cookies()) != 2 || res.Trailer.Get("X-Sum") != "7" {
		t.Errorf("cookies %v, trailer %v", res.Cookies(), res.Trailer)
	}
	for path, want := range map[string]bool{"/": true, "/without": false} {
		if _, text := do(t, client, http.MethodGet, srv.URL+path, ""); strings.Contains(text, cookieName+"=") != want {
			t.Errorf("%s: behind the proxy the cookies are %q", path, text)
		}
	}
	if n := stored(t, m); n != 3 {
		t.Errorf("count is %d, want 3", n)
	}
}
