package sessions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// A pusher is a writer of HTTP/2, whose Push net/http's own client does not allow.
type pusher struct {
	*httptest.ResponseRecorder
	pushed string
}

func (p *pusher) Push(target string, _ *http.PushOptions) error { p.pushed = target; return nil }

// A wrapper is what middleware puts around a writer.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestPushReachesTheWriterBelow(t *testing.T) {
	t.Parallel()
	m := newManager(t, newSpy())
	for what, want := range map[string]error{"pushes": nil, "wrapped": nil, "does not push": http.ErrNotSupported} {
		p := &pusher{ResponseRecorder: httptest.NewRecorder()}
		var w http.ResponseWriter = p
		switch what {
		case "wrapped":
			w = wrapper{wrapper{p}}
		case "does not push":
			w = p.ResponseRecorder
		}
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			count.Set(sessions.FromContext(r.Context()), 1)
			if err := w.(http.Pusher).Push("/style.css", nil); !errors.Is(err, want) {
				t.Errorf("%s: Push returns %v", what, err)
			}
			wantRows(t, m, 0)
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		if (p.pushed == "/style.css") != (want == nil) || p.Result().Header["Set-Cookie"] == nil {
			t.Errorf("%s: pushed %q, header %v", what, p.pushed, p.Result().Header)
		}
		if _, err := m.RevokeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// gin's c.Stream asks for the interface that net/http calls deprecated.
func TestCloseNotify(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	told := make(chan bool, 1)
	srv, client := newServer(t, newManager(t, memstore.New()).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		w.(http.Flusher).Flush()
		close(asked)
		told <- <-gone
	})))
	ctx, leave := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, http.NoBody)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-asked
	leave()
	if !<-told {
		t.Error("the channel was closed, and said nothing")
	}
}

func TestTheControllerReachesTheConnection(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 1)
		c := http.NewResponseController(w)
		for what, err := range map[string]error{
			"EnableFullDuplex": c.EnableFullDuplex(), "SetReadDeadline": c.SetReadDeadline(time.Time{}), "SetWriteDeadline": c.SetWriteDeadline(time.Time{}),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})))
	if ours(t, get(t, client, srv.URL)) == nil {
		t.Error("no cookie came")
	}
}

// A proxy, and frameworks such as huma, panic when they can't write. The client must get the
// error handler's answer and no cut connection. Other panics are the program's.
func TestAPanicOverAFailedAnswer(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from behind") }))
	t.Cleanup(backend.Close)
	target, _ := url.Parse(backend.URL)
	write := func(w http.ResponseWriter) error { _, err := io.WriteString(w, "done"); return err }
	for what, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		cut    bool
	}{
		"httputil.ReverseProxy": {httputil.NewSingleHostReverseProxy(target).ServeHTTP, false},
		"the error":             {func(w http.ResponseWriter, _ *http.Request) { panic(write(w)) }, false},
		"the error, wrapped":    {func(w http.ResponseWriter, _ *http.Request) { panic(fmt.Errorf("write: %w", write(w))) }, false},
		"http.ErrAbortHandler":  {func(w http.ResponseWriter, _ *http.Request) { _ = write(w); panic(http.ErrAbortHandler) }, false},
		"another panic":         {func(w http.ResponseWriter, _ *http.Request) { _ = write(w); panic("boom") }, true},
		"the error handler":     {func(w http.ResponseWriter, _ *http.Request) { _ = write(w) }, true},
	} {
		store := newSpy()
		store.reset(failing(errDown, "create"))
		h := newManager(t, store, func(o *sessions.Options) {
			if what == "the error handler" {
				o.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
					_, _ = io.WriteString(w, "half")
					panic(http.ErrAbortHandler)
				}
			}
		}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			count.Set(sessions.FromContext(r.Context()), 1)
			c.answer(w, r)
		}))
		srv, client := newServer(t, h)
		srv.Config.ErrorLog = quiet
		res, err := client.Get(srv.URL)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if c.cut != (err != nil) || err == nil && res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %v, %v; want 503, or a connection that is cut: %v", what, res, err, c.cut)
		}
	}
}

// net/http cleans up the request that it made, and the handler has a copy. The error handler has
// the one of net/http.
func TestTheRequestOutsideLearnsPatternAndForm(t *testing.T) {
	for what, end := range map[string]func(){"returns": func() {}, "panics": func() { panic("boom") }, "fails": nil} {
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		upload := func(r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
			}
			if files, err := os.ReadDir(dir); len(files) == 0 || err != nil {
				t.Errorf("%s: no temporary file while the handler runs: %v", what, err)
			}
		}
		mux := http.NewServeMux()
		mux.HandleFunc("POST /up/{name}", func(_ http.ResponseWriter, r *http.Request) {
			if end == nil {
				sessions.FromContext(r.Context()).SetUser("\xff")
				return
			}
			upload(r)
			end()
		})
		pattern := ""
		outer := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie.Name = "outer" })
		inside := outer.Handler(newManager(t, memstore.New(), func(o *sessions.Options) {
			o.ErrorHandler = func(_ http.ResponseWriter, r *http.Request, _ error) { upload(r) }
		}).Handler(mux))
		srv, client := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { _ = recover() }()
			defer func() { pattern = r.Pattern }()
			inside.ServeHTTP(w, r)
		}))
		var form bytes.Buffer
		parts := multipart.NewWriter(&form)
		file, _ := parts.CreateFormFile("file", "big.bin")
		_, _ = file.Write(bytes.Repeat([]byte("x"), 11<<20))
		_ = parts.Close()
		res, err := client.Post(srv.URL+"/up/x", parts.FormDataContentType(), &form)
		if err != nil {
			t.Fatal(err)
		}
		_ = body(t, res)
		srv.Close()
		if files, err := os.ReadDir(dir); len(files) > 0 || err != nil {
			t.Errorf("the handler %s: %d temporary files stay, %v", what, len(files), err)
		}
		if pattern != "POST /up/{name}" {
			t.Errorf("the handler %s: the pattern outside is %q", what, pattern)
		}
	}
}

// A framework of which only the request was handed on has written past the manager's writer.
func TestAnAnswerPastTheWriter(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		before, f func(*sessions.Session)
		errors    int
		rows      int
	}{
		"nothing":       {nil, nil, 0, 0},
		"a look":        {nil, func(*sessions.Session) {}, 1, 0},
		"a new session": {nil, func(s *sessions.Session) { count.Set(s, 1) }, 2, 0},

		"a change":  {func(s *sessions.Session) { count.Set(s, 1) }, func(s *sessions.Session) { count.Set(s, 2) }, 1, 1},
		"a sign-in": {func(s *sessions.Session) { count.Set(s, 1) }, func(s *sessions.Session) { s.SetUser("ann") }, 2, 1},
	} {
		for _, framework := range []string{"gin", "echo", "gin, wrapped"} {
			log := new(logBook)
			m := newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() })
			v := newVisitor(t, m)
			if c.before != nil {
				v.visit(c.before)
			}
			r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
			r.Header.Set("Cookie", cookieName+"="+v.cookie)
			outer := writerOf(framework, httptest.NewRecorder())
			m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if c.f != nil {
					c.f(sessions.FromContext(r.Context()))
				}
				_, _ = io.WriteString(outer, "past it")
			})).ServeHTTP(outer, r)
			if n := len(log.lines(t, "ERROR")); n != c.errors || n > 0 && !strings.Contains(log.text(), "past") {
				t.Errorf("%s of %s: the log says:\n%s\nwant %d errors", what, framework, log.text(), c.errors)
			}
			wantRows(t, m, c.rows)
		}
	}
}

// Nothing was written past the writer by a handler that writes nothing.
func TestAFrameworkThatWritesNothing(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"gin", "echo"} {
		log, rec := new(logBook), httptest.NewRecorder()
		m := newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() })
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			count.Set(sessions.FromContext(r.Context()), 1)
		})).ServeHTTP(writerOf(framework, rec), httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody))
		if ours(t, rec.Result()) == nil || log.text() != "" {
			t.Errorf("%s: header %v; the log says:\n%s", framework, rec.Result().Header, log.text())
		}
	}
}

// These tell as the writers of gin and echo do that they have begun.
type (
	ginWriter  struct{ *echoWriter }
	echoWriter struct {
		http.ResponseWriter
		Committed bool
	}
)

func (w *echoWriter) WriteHeader(status int) {
	w.Committed = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *echoWriter) Write(b []byte) (int, error) {
	w.Committed = true
	return w.ResponseWriter.Write(b)
}

func (w ginWriter) Written() bool { return w.Committed }

func writerOf(framework string, w http.ResponseWriter) http.ResponseWriter {
	echo := &echoWriter{ResponseWriter: w}
	switch framework {
	case "gin":
		return ginWriter{echo}
	case "gin, wrapped":
		return wrapper{ginWriter{echo}}
	}
	return echo
}

func TestARefusedHijackSaysWhy(t *testing.T) {
	t.Parallel()
	for _, saved := range []bool{false, true} {
		newVisitor(t, newManager(t, memstore.New())).serve(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			count.Set(s, 1)
			if saved {
				_ = s.Save(r.Context())
			}
			_, _, err := http.NewResponseController(w).Hijack()
			if text := fmt.Sprint(err); !errors.Is(err, sessions.ErrTooLate) || strings.Contains(text, "has begun") || !strings.Contains(text, "taken over") {
				t.Errorf("saved before %v: Hijack returns %v", saved, err)
			}
		})
	}
}
