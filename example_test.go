package sessions_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

var (
	clicks = sessions.NewKey[int]("clicks")
	theme  = sessions.NewKey[string]("theme")
)

// newExampleManager keeps sessions in memory; a program uses pgstore,
// mysqlstore or sqlitestore, and reads its secret from its configuration.
func newExampleManager() *sessions.Manager {
	manager, err := sessions.New(memstore.New(), sessions.Options{
		Secrets: [][]byte{[]byte("32 random bytes, never these ...")},
	})
	if err != nil {
		panic(err)
	}
	return manager
}

// send plays a browser: it makes a request with these cookies, and returns the
// cookies that it has afterwards.
func send(h http.Handler, request string, cookies ...*http.Cookie) []*http.Cookie {
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, "https://example.com"+path, http.NoBody)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(request, ": ", rec.Code, " ", rec.Body)))
	sent := rec.Result().Cookies()
	switch {
	case len(sent) == 0:
		return cookies
	case method == http.MethodGet: // no example shows a row for each visitor who looks
		fmt.Println("a session for a GET")
	}
	return sent
}

func ExampleManager() {
	manager := newExampleManager()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /dark", func(w http.ResponseWriter, r *http.Request) {
		theme.Set(sessions.FromContext(r.Context()), "dark")
		_, _ = fmt.Fprint(w, "as you like")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		chosen, ok := theme.Get(sessions.FromContext(r.Context()))
		if !ok {
			chosen = "light"
		}
		_, _ = fmt.Fprint(w, "a ", chosen, " page")
	})
	h := manager.Handler(mux)

	cookies := send(h, "GET /")
	cookies = send(h, "POST /dark", cookies...)
	cookies = send(h, "GET /", cookies...)
	fmt.Println(cookies[0].Name, cookies[0].HttpOnly, cookies[0].Secure)
	// Output:
	// GET /: 200 a light page
	// POST /dark: 200 as you like
	// GET /: 200 a dark page
	// __Host-session true true
}

func ExampleKey_Update() {
	h := newExampleManager().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := clicks.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 })
		_, _ = fmt.Fprint(w, "click ", n)
	}))
	cookies := send(h, "POST /")
	cookies = send(h, "POST /", cookies...)
	send(h, "POST /", cookies...)
	// Output:
	// POST /: 200 click 1
	// POST /: 200 click 2
	// POST /: 200 click 3
}

// A login on two devices, and "log out everywhere else" on one of them.
func ExampleSession_SetUser() {
	manager := newExampleManager()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		sessions.FromContext(r.Context()).SetUser("ann") // gives the session a new token, too
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%q", sessions.FromContext(r.Context()).User())
	})
	mux.HandleFunc("POST /logout-others", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		n, err := manager.RevokeUser(r.Context(), s.User(), s.ID())
		_, _ = fmt.Fprint(w, n, " ended, error ", err)
	})
	h := manager.Handler(mux)

	laptop, phone := send(h, "POST /login"), send(h, "POST /login")
	send(h, "POST /logout-others", phone...)
	send(h, "GET /who", phone...)
	send(h, "GET /who", laptop...)
	// Output:
	// POST /login: 200
	// POST /login: 200
	// POST /logout-others: 200 1 ended, error <nil>
	// GET /who: 200 "ann"
	// GET /who: 200 ""
}

// "Remember me": this session's cookie outlives the browser.
func ExampleSession_SetMaxAge() {
	h := newExampleManager().Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.SetUser("ann")
		if r.FormValue("remember") == "yes" {
			s.SetMaxAge(14 * 24 * time.Hour)
		}
	}))
	fmt.Println(send(h, "POST /login")[0].MaxAge)
	fmt.Println(send(h, "POST /login?remember=yes")[0].MaxAge)
	// Output:
	// POST /login: 200
	// 0
	// POST /login?remember=yes: 200
	// 1209600
}

// Each address may begin so many sessions, and those of visitors end after half an hour.
func ExampleOptions_admitAnonymous() {
	const most = 2 // in a real program a rate, such as of golang.org/x/time/rate
	var mu sync.Mutex
	begun := map[netip.Prefix]int{} // in a real program one that forgets
	manager, err := sessions.New(memstore.New(), sessions.Options{
		Secrets:          [][]byte{[]byte("32 random bytes, never these ...")},
		AnonymousTimeout: 30 * time.Minute,
		AdmitAnonymous: func(r *http.Request) error {
			peer, err := netip.ParseAddrPort(r.RemoteAddr) // or what your proxy says
			if err != nil {
				return err
			}
			bits := 32
			if peer.Addr().Is6() {
				bits = 64 // what one client can have
			}
			network, _ := peer.Addr().Prefix(bits)
			mu.Lock()
			defer mu.Unlock()
			if begun[network]++; begun[network] > most {
				return fmt.Errorf("%s began %d sessions already", network, most)
			}
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	h := manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		theme.Set(sessions.FromContext(r.Context()), "dark")
	}))
	for range 3 {
		send(h, "POST /dark")
	}
	// Output:
	// POST /dark: 200
	// POST /dark: 200
	// POST /dark: 429 Too Many Requests
}

// A program runs "go reaper.Run(ctx)"; a cron job calls Sweep.
func ExampleReaper() {
	store := memstore.New()
	ctx := context.Background()
	for _, idle := range []time.Duration{time.Nanosecond, time.Nanosecond, time.Hour} {
		_, _ = store.Create(ctx, driver.CreateRequest{Ref: randomRef(), Life: driver.Life{Idle: idle, Absolute: time.Hour}})
	}
	for { // two have expired when the clock has moved on
		if stats, _ := store.Stats(ctx); stats.Live == 1 {
			break
		}
	}
	reaper := &sessions.Reaper{Store: store}
	deleted, err := reaper.Sweep(ctx)
	fmt.Println(deleted, err)
	// Output:
	// 2 <nil>
}
