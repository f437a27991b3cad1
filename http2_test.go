package sessions_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// over returns a server that speaks a version of HTTP, and a client with cookies for it.
func over(t *testing.T, version string, h http.Handler) (*httptest.Server, *http.Client) {
	t.Helper()
	if version == "HTTP/1.1" {
		return newServer(t, h)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	if version == "h2c" {
		both := new(http.Protocols)
		both.SetUnencryptedHTTP2(true)
		srv.Config.Protocols = both
		srv.Start()
		client.Transport = &http.Transport{Protocols: both}
	} else {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		client.Transport = srv.Client().Transport
	}
	t.Cleanup(func() { client.CloseIdleConnections(); srv.Close() })
	return srv, client
}

var versions = []string{"HTTP/1.1", "HTTP/2", "h2c"}

func TestEveryVersionOfHTTP(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		store := newSpy()
		m := newManager(t, store)
		srv, client := over(t, version, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			plusOne(r)
			if want := strings.Replace(version, "h2c", "HTTP/2", 1); !strings.HasPrefix(r.Proto, want) {
				t.Errorf("the request came over %s, want %s", r.Proto, want)
			}
			switch r.URL.Path {
			case "/early":
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
			case "/push":
				if err := w.(http.Pusher).Push("/style.css", nil); !errors.Is(err, http.ErrNotSupported) {
					t.Errorf("%s: Push returns %v; Go's client allows none", version, err)
				}
			case "/late":
				_, _ = io.WriteString(w, "half of it")
				_ = http.NewResponseController(w).Flush()
				store.reset(failing(errDown, "save"))
				plusOne(r)
			case "/hijack":
				if _, _, err := http.NewResponseController(w).Hijack(); (err == nil) != (version == "HTTP/1.1") {
					t.Errorf("%s: Hijack returns %v", version, err)
				} else if err == nil {
					panic(http.ErrAbortHandler)
				}
			}
			_, _ = io.WriteString(w, "done")
		})))
		want := 0
		for _, path := range []string{"/", "/early", "/push", "/"} {
			res, text := do(t, client, http.MethodGet, srv.URL+path, "")
			if want++; (ours(t, res) != nil) != (want == 1) || text != "done" {
				t.Errorf("%s %s: text %q, header %v", version, path, text, res.Header)
			}
		}
		if n := stored(t, m); n != want {
			t.Errorf("%s: count %d, want %d", version, n, want)
		}
		// A stream is reset where HTTP/1.1 cuts the connection, and the connection goes on.
		res := get(t, client, srv.URL+"/late")
		if text, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s: the client took %q for the whole response", version, text)
		}
		store.reset(nil)
		if version != "HTTP/1.1" {
			if _, text := do(t, client, http.MethodGet, srv.URL+"/hijack", ""); text != "done" {
				t.Errorf("%s: after a refused Hijack the text is %q", version, text)
			}
		}
		store.reset(failing(errDown, "save"))
		res, _ = do(t, client, http.MethodGet, srv.URL, "")
		wantStatus(t, res, http.StatusServiceUnavailable)
	}
}

// HTTP/2 may send each cookie in a field of its own.
func TestCookiesInSeveralFields(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	srv, client := over(t, "HTTP/2", m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { plusOne(r) })))
	res, _ := do(t, client, http.MethodGet, srv.URL, "")
	client.Jar = nil
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, http.NoBody)
	req.Header["Cookie"] = []string{"a=b", cookieName + "=" + ours(t, res).Value, "c=d; e=f"}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = body(t, res); ours(t, res) != nil || stored(t, m) != 2 {
		t.Errorf("header %v, count %d; want 2", res.Header, stored(t, m))
	}
}

// A connection of TLS makes the cookie of SecureAlways one that leaves.
func TestASecureCookieOverTLS(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie = sessions.CookieOptions{} })
	srv, client := over(t, "HTTP/2", m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { plusOne(r) })))
	client.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
	address := srv.Listener.Addr().String()
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	for range 2 {
		res, _ := do(t, client, http.MethodGet, "https://example.com/", "")
		if res.TLS == nil || res.TLS.Version < tls.VersionTLS12 || res.ProtoMajor != 2 {
			t.Errorf("over %s, %v", res.Proto, res.TLS)
		}
	}
	if n := stored(t, m); n != 2 {
		t.Errorf("count %d, want 2", n)
	}
}

func TestHEADAnd304CarryTheCookie(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		m := newManager(t, memstore.New())
		srv, client := over(t, version, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sessions.FromContext(r.Context()).Regenerate()
			plusOne(r)
			w.Header().Set("Etag", `"one"`)
			w.Header().Set("Cache-Control", "max-age=60")
			http.ServeContent(w, r, "page.txt", time.Time{}, strings.NewReader("text"))
		})))
		for _, c := range []struct {
			method, match string
			status        int
		}{{http.MethodHead, "", 200}, {http.MethodGet, `"one"`, 304}, {http.MethodHead, `"one"`, 304}, {http.MethodGet, "", 200}} {
			res, _ := do(t, client, c.method, srv.URL, "", "If-None-Match", c.match)
			if wantStatus(t, res, c.status); ours(t, res) == nil || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s that answers %d has the header %v", version, c.method, c.status, res.Header)
			}
		}
		if n := stored(t, m); n != 4 {
			t.Errorf("%s: count %d, want 4", version, n)
		}
	}
}

// A trailer comes after the cookie, and what is changed with it is saved.
func TestTrailers(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		store := newSpy()
		m := newManager(t, store)
		srv, client := over(t, version, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			plusOne(r)
			_, _ = io.WriteString(w, "text")
			plusOne(r)
			w.Header().Set("X-Sum", "7")
			w.Header().Set(http.TrailerPrefix+"X-More", "8")
		})))
		res, _ := do(t, client, http.MethodGet, srv.URL, "")
		if ours(t, res) == nil || res.Trailer.Get("X-Sum") != "7" || res.Trailer.Get("X-More") != "8" || stored(t, m) != 2 {
			t.Errorf("%s: header %v, trailer %v, count %d", version, res.Header, res.Trailer, stored(t, m))
		}
		store.reset(failing(errDown, "save"))
		res, _ = do(t, client, http.MethodGet, srv.URL, "")
		if wantStatus(t, res, http.StatusServiceUnavailable); len(res.Trailer) > 0 {
			t.Errorf("%s: the trailer %v came with a failed save", version, res.Trailer)
		}
	}
}

// The first Read of the body sends 100 Continue, which saves nothing.
func TestContinueSavesNothing(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plusOne(r)
		text, err := io.ReadAll(r.Body)
		if n := store.count(); n != 0 || err != nil {
			t.Errorf("%d calls of the store while the body came, %v", n, err)
		}
		_, _ = w.Write(text)
	})))
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	res, text := do(t, client, http.MethodPost, srv.URL, "the body", "Expect", "100-continue")
	if ours(t, res) == nil || text != "the body" {
		t.Errorf("text %q, header %v", text, res.Header)
	}
}

// A handler may read on while it answers.
func TestABodyThatIsReadAfterTheAnswerBegan(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		m := newManager(t, memstore.New())
		srv, client := over(t, version, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			if err := c.EnableFullDuplex(); err != nil && version == "HTTP/1.1" {
				t.Errorf("%s: %v", version, err)
			}
			plusOne(r)
			_ = c.Flush()
			for lines := bufio.NewScanner(r.Body); lines.Scan(); {
				plusOne(r)
				_, _ = io.WriteString(w, lines.Text()+"\n")
				_ = c.Flush()
			}
		})))
		more, write := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, more)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer := bufio.NewReader(res.Body)
		for _, line := range []string{"one\n", "two\n"} {
			_, _ = io.WriteString(write, line)
			if got, err := answer.ReadString('\n'); got != line || err != nil {
				t.Errorf("%s: %q, %v", version, got, err)
			}
		}
		_ = write.Close()
		_ = body(t, res)
		if n := stored(t, m); n != 3 {
			t.Errorf("%s: count %d, want 3", version, n)
		}
	}
}
