package express_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// A client that has the first byte finds its session saved, while the handler
// still runs. Express sends the header first and delays the last byte.
func TestConformanceSavedFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines []int
		name  string
		write func(w http.ResponseWriter)
		body  string
	}{
		{[]int{293}, "a body", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "body") }, "body"},
		{[]int{308}, "no body", func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }, ""},
		{[]int{323}, "several writes", func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "bo")
			_, _ = io.WriteString(w, "dy")
		}, "body"},
		{[]int{340}, "a Content-Length", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "body")
		}, "body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			express.Covers(t, "session.js", c.lines...)
			store := newSpy()
			goOn := make(chan struct{})
			server := httptest.NewServer(newManager(t, store).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				change(sessions.FromContext(r.Context()))
				c.write(w)
				_ = http.NewResponseController(w).Flush()
				<-goOn
			})))
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Do(req) // returns with the header
			n := rows(t, store)
			close(goOn)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			wantCookie(t, res, true)
			if body, err := io.ReadAll(bufio.NewReader(res.Body)); string(body) != c.body || err != nil || n != 1 {
				t.Errorf("%q, %v, and %d sessions were saved", body, err, n)
			}
		})
	}
}

// shouting is somebody's wrapper around a response.
type shouting struct{ http.ResponseWriter }

func (s shouting) Write(b []byte) (int, error) {
	return s.ResponseWriter.Write([]byte(strings.ToUpper(string(b))))
}

func (s shouting) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func shout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(shouting{w}, r) })
}

func TestConformanceResponse(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		change(sessions.FromContext(r.Context()))
		_, _ = io.WriteString(w, "hello")
	})
	wrapped := func(t *testing.T, wrap func(m *sessions.Manager) http.Handler) {
		t.Helper()
		store := newSpy()
		w := newRecorded(t, "/")
		wrap(newManager(t, store)).ServeHTTP(w.ResponseRecorder, w.request)
		wantCookie(t, w.Result(), true)
		wantOps(t, store, "set")
		if got := w.Body.String(); got != "HELLO" {
			t.Error(got)
		}
	}
	conform(t, []conformanceTest{
		{[]int{1639}, "a response that was wrapped before", func(t *testing.T) {
			wrapped(t, func(m *sessions.Manager) http.Handler { return shout(m.Handler(hello)) })
		}},
		{[]int{1655}, "a response that is wrapped after", func(t *testing.T) {
			wrapped(t, func(m *sessions.Manager) http.Handler { return m.Handler(shout(hello)) })
		}},
		{[]int{266}, "the cookie's time begins with the response", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy(), lasting(time.Minute), rolling))
			slow := func(s *sessions.Session) { change(s); time.Sleep(10 * time.Second) }
			wantAttributes(t, b.visit(slow), "Path=/; Expires=Sat, 01 Jan 2000 00:01:10 GMT; HttpOnly")
			wantAttributes(t, b.visit(slow), "Path=/; Expires=Sat, 01 Jan 2000 00:01:20 GMT; HttpOnly")
			wantAttributes(t, b.visit(func(*sessions.Session) { time.Sleep(time.Second) }), "Path=/; Expires=Sat, 01 Jan 2000 00:01:21 GMT; HttpOnly")
		}},
		{[]int{356}, "the row has the new expiry", func(t *testing.T) {
			store := newSpy()
			b := newBrowser(t, newManager(t, store, lasting(time.Minute)))
			b.visit(change)
			time.Sleep(10 * time.Second)
			b.visit(change)
			if c := storedCookie(t, store, id(b)); time.Until(*c.Expires) != time.Minute {
				t.Error(c.Expires)
			}
		}},
		{[]int{2184, 2197}, "other cookies stay, in front", func(t *testing.T) {
			b := newBrowser(t, newManager(t, newSpy()))
			res := b.serve(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Set-Cookie", "before=1")
				change(sessions.FromContext(r.Context()))
				w.Header().Add("Set-Cookie", "right_before=2")
				w.WriteHeader(http.StatusCreated)
			})
			got := res.Header["Set-Cookie"]
			if len(got) != 3 || got[0] != "before=1" || got[1] != "right_before=2" || !strings.HasPrefix(got[2], "connect.sid=") {
				t.Errorf("%q", got)
			}
		}},
	})
}
