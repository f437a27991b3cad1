package cluster_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

var (
	secret  = []byte("cluster test secret 0123456789 abcdefghij")
	counter = sessions.NewKey[int]("counter")
)

// An app is one instance of an application, on a real HTTP server.
type app struct {
	name    string
	manager *sessions.Manager
	server  *httptest.Server
	client  *http.Client
	arrived chan struct{} // a request with "hold" is in its handler
	release chan struct{} // closed to let those go on

	mu     sync.Mutex
	errors map[string]int // what the error handler was given, and how often
}

func newApp(t testing.TB, name string, store sessions.Store, adapt ...func(*sessions.Options)) *app {
	t.Helper()
	a := &app{name: name, errors: map[string]int{}, arrived: make(chan struct{}), release: make(chan struct{})}
	o := sessions.Options{
		Secrets:      [][]byte{secret},
		Cookie:       sessions.CookieOptions{Secure: sessions.SecureAuto},
		ErrorHandler: a.failed, // writes nothing, so the default answers
		Logger:       slog.New(slog.DiscardHandler),
	}
	for _, f := range adapt {
		f(&o)
	}
	var err error
	a.manager, err = sessions.New(store, o)
	testbed.Check(t, err)
	mux := http.NewServeMux()
	handle := func(path string, f func(s *sessions.Session, w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("hold") != "" {
				a.arrived <- struct{}{}
				<-a.release
			}
			f(sessions.FromContext(r.Context()), w, r)
		})
	}
	handle("/count", func(s *sessions.Session, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strconv.Itoa(counter.Update(s, func(n int) int { return n + 1 })))
	})
	handle("/counter", func(s *sessions.Session, w http.ResponseWriter, _ *http.Request) {
		n, _ := counter.Get(s)
		_, _ = io.WriteString(w, strconv.Itoa(n))
	})
	handle("/user", func(s *sessions.Session, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s.User()) })
	handle("/login", func(s *sessions.Session, _ http.ResponseWriter, r *http.Request) { s.SetUser(r.FormValue("u")) })
	handle("/logout", func(s *sessions.Session, _ http.ResponseWriter, _ *http.Request) { s.Destroy() })
	a.server = httptest.NewServer(a.manager.Handler(mux))
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	a.client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(a.server.Close)
	t.Cleanup(transport.CloseIdleConnections)
	return a
}

// Each connection has another port.
var ports = regexp.MustCompile(`127\.0\.0\.1:\d+(->127\.0\.0\.1:\d+)?`)

// failed counts errors by their text.
func (a *app) failed(_ http.ResponseWriter, _ *http.Request, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errors[strings.Join(strings.Fields(ports.ReplaceAllString(err.Error(), "ADDRESS")), " ")]++
}

// failedWith reports whether an error so far had this in its text.
func (a *app) failedWith(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for failure := range a.errors {
		if strings.Contains(failure, text) {
			return true
		}
	}
	return false
}

// printFailures prints the errors so far, and finds those that say neither that
// the store is unavailable nor what else is allowed.
func (a *app) printFailures(t testing.TB, allowed ...error) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	allowed = append(allowed, sessions.ErrUnavailable)
	for text, n := range a.errors {
		t.Logf("%s: %d times %s", a.name, n, text)
		if !slices.ContainsFunc(allowed, func(e error) bool { return strings.Contains(text, e.Error()) }) {
			t.Errorf("%s: that is none of %v: %s", a.name, allowed, text)
		}
	}
}

// An answer is what a browser sees.
type answer struct {
	status int
	body   string
	cookie string // the browser's from now on
	set    bool   // the answer has a Set-Cookie
}

// get asks with a cookie, "" for none, as a browser that keeps cookies.
func (a *app) get(t testing.TB, path, cookie string) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, a.server.URL+path, nil)
	testbed.Check(t, err)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	response, err := a.client.Do(r)
	if err != nil {
		t.Errorf("%s: GET %s: %v", a.name, path, err)
		return answer{cookie: cookie}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s: GET %s: %v", a.name, path, err)
	}
	got := answer{status: response.StatusCode, body: string(body), cookie: cookie}
	for _, c := range response.Cookies() {
		got.cookie, got.set = c.Value, true
	}
	return got
}

// ok is get for an answer that must be 200.
func (a *app) ok(t testing.TB, path, cookie string) answer {
	t.Helper()
	got := a.get(t, path, cookie)
	if got.status != http.StatusOK {
		t.Fatalf("%s: GET %s: %d %s; failures: %v", a.name, path, got.status, got.body, a.errors)
	}
	return got
}
