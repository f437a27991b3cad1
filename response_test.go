package sessions_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// newServer starts a real server; the client keeps cookies.
func newServer(t *testing.T, h http.Handler) (*httptest.Server, *http.Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = nil
	srv.Start()
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.Jar, _ = cookiejar.New(nil)
	return srv, client
}

func get(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// firstBytes are the ways in which a handler can begin its response.
var firstBytes = map[string]func(t *testing.T, w http.ResponseWriter){
	"WriteHeader": func(_ *testing.T, w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
	"Write":       func(_ *testing.T, w http.ResponseWriter) { _, _ = w.Write([]byte("x")) },
	"empty Write": func(_ *testing.T, w http.ResponseWriter) { _, _ = w.Write(nil) },
	"WriteString": func(t *testing.T, w http.ResponseWriter) {
		if _, err := w.(io.StringWriter).WriteString("x"); err != nil {
			t.Error(err)
		}
	},
	"Flush": func(_ *testing.T, w http.ResponseWriter) { w.(http.Flusher).Flush() },
	"ReadFrom": func(t *testing.T, w http.ResponseWriter) {
		if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("xyz")); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	},
	"ResponseController.Flush": func(t *testing.T, w http.ResponseWriter) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	},
	"http.Redirect": func(_ *testing.T, w http.ResponseWriter) {
		http.Redirect(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody), "/next", http.StatusSeeOther)
	},
}

func TestCommitsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for way, begin := range firstBytes {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			store := newSpy()
			m := newManager(t, store)
			srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				count.Set(sessions.FromContext(r.Context()), 7)
				if n := store.count(); n != 0 {
					t.Errorf("%d calls of the store before the response began", n)
				}
				begin(t, w)
				if n := store.count("create"); n != 1 {
					t.Errorf("%d rows made when the response had begun, want 1", n)
				}
			})))
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			res := get(t, client, srv.URL)
			c := ours(t, res)
			if c == nil {
				t.Fatal("no cookie came")
			}
			s, err := m.Load(t.Context(), c.Value)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := count.Get(s); n != 7 {
				t.Errorf("count is %d, want 7", n)
			}
		})
	}
}

func TestCommitsWhenTheHandlerWritesNothing(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 1)
	})))
	if ours(t, get(t, client, srv.URL)) == nil {
		t.Error("no cookie came")
	}
	wantRows(t, m, 1)
}

func TestEarlyHintsPassAndCommitNothing(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		count.Set(s, 1)
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		if n := store.count(); n != 0 {
			t.Errorf("103 caused %d calls of the store", n)
		}
		count.Set(s, 2)
		w.WriteHeader(http.StatusOK)
	})))
	var hints atomic.Pointer[textproto.MIMEHeader]
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == http.StatusEarlyHints {
			hints.Store(&h)
		}
		return nil
	}}
	req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, srv.URL, http.NoBody)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	switch h := hints.Load(); {
	case h == nil:
		t.Fatal("no 103 came")
	case h.Get("Link") == "" || h.Get("Set-Cookie") != "":
		t.Errorf("the 103 has the header %v", *h)
	}
	c := ours(t, res)
	if c == nil {
		t.Fatal("no cookie came with the final response")
	}
	if v := (&visitor{t, m, c.Value}); value(v, count) != 2 {
		t.Error("what was set after the 103 is not stored")
	}
}

func TestSwitchingProtocolsCommits(t *testing.T) {
	t.Parallel()
	store := newSpy()
	v := loggedIn(t, newManager(t, store))
	store.reset(nil)
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 2)
		w.WriteHeader(http.StatusSwitchingProtocols)
		if n := store.count("save"); n != 1 {
			t.Errorf("%d saves after 101, want 1", n)
		}
	})
}

func TestHijackCommitsAnExistingSession(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		if r.URL.Path == "/login" {
			count.Set(s, 1)
			return
		}
		count.Set(s, 2)
		store.reset(nil)
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		if n := store.count("save"); n != 1 {
			t.Errorf("%d saves when the connection was handed over, want 1", n)
		}
		_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		_ = buf.Flush()
	})))
	c := ours(t, get(t, client, srv.URL+"/login"))
	if got := body(t, get(t, client, srv.URL+"/ws")); got != "hi" {
		t.Errorf("the taken connection answered %q", got)
	}
	if v := (&visitor{t, m, c.Value}); value(v, count) != 2 {
		t.Error("the change is not stored")
	}
}

func TestHijackRefusesASessionThatNeedsACookie(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 1)
		if _, _, err := w.(http.Hijacker).Hijack(); err == nil {
			t.Error("the connection was handed over")
		}
		w.WriteHeader(http.StatusUpgradeRequired)
	})))
	res := get(t, client, srv.URL)
	wantStatus(t, res, http.StatusUpgradeRequired)
	if ours(t, res) == nil {
		t.Error("the ordinary answer after the refusal has no cookie")
	}
}

// A token that Save has stored is owed to the browser too.
func TestHijackRefusesASessionWhoseTokenWasSaved(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	res := v.serve(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.SetUser("ann")
		if err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, sessions.ErrTooLate) {
			t.Errorf("Hijack returns %v", err)
		}
		w.WriteHeader(http.StatusOK)
	})
	if ours(t, res) == nil || look(v, (*sessions.Session).User) != "ann" {
		t.Error("the new token was not sent")
	}
}

// A recorder of what reaches the writer below ours.
type innerWriter struct {
	*httptest.ResponseRecorder
	readFrom, writes int
	hijackErr        error
}

func (w *innerWriter) ReadFrom(src io.Reader) (int64, error) {
	w.readFrom++
	return io.Copy(w.ResponseRecorder, src)
}

func (w *innerWriter) Write(b []byte) (int, error) {
	w.writes++
	return w.ResponseRecorder.Write(b)
}

func (w *innerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, w.hijackErr
}

func TestSendfileIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "big.bin")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newManager(t, memstore.New())
	w := &innerWriter{ResponseRecorder: httptest.NewRecorder()}
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, path)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if w.readFrom != 1 || w.writes != 0 || w.Body.Len() != 100_000 {
		t.Errorf("ReadFrom %d, Write %d times, %d bytes; want 1, 0, 100000", w.readFrom, w.writes, w.Body.Len())
	}
}

// HTTP/2 does not support Hijack; the header has not left, so the handler can
// still answer in the ordinary way.
func TestACookieCanStillBeSetAfterHijackFailed(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	w := &innerWriter{ResponseRecorder: httptest.NewRecorder(), hijackErr: http.ErrNotSupported}
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack returns %v", err)
		}
		count.Set(sessions.FromContext(r.Context()), 1)
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if w.Code != http.StatusOK || len(w.Result().Cookies()) != 1 {
		t.Errorf("status %d, cookies %v; want 200 and one", w.Code, w.Result().Cookies())
	}
	wantRows(t, m, 1)
}
