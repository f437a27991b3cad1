package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

// A contender is one way to keep sessions. docs/performance.md describes each.
type contender struct {
	name         string
	postgresOnly bool
	measure      string // the contender whose throughput is 1
	without      string // a workload that it can't do
	migrate      bool   // it uses this library's table
	open         opener
	// apart: it runs in a process of its own, whose memory and statements can't be seen.
	apart bool
}

// An opener gives the application, which uses the database.
type opener func(ctx context.Context, d *bench.Database) (http.Handler, error)

// contenders are all of them, beginning with the statements written by hand.
func contenders() []contender {
	return []contender{
		{name: "hand", measure: "hand", open: openHand, migrate: true},
		{name: "hand-sql", measure: "hand", open: openHandSQL, migrate: true, postgresOnly: true},
		{name: "sessions", measure: "hand", open: openOurs(false), migrate: true},
		{name: "sessions-one-by-one", measure: "hand", open: openOurs(true), migrate: true},
		{name: "sessions-sql", measure: "hand", open: openOursSQL, migrate: true, postgresOnly: true},
		{name: "scs", measure: "hand", open: openSCS(0), without: "rolling"},
		{name: "scs-idle", measure: "hand", open: openSCS(idle)},
		{name: "gorilla", measure: "hand", open: openGorilla},
		{name: "http-hand", measure: "http-hand", open: openChild("hand"), migrate: true, postgresOnly: true, apart: true},
		{name: "http-sessions", measure: "http-hand", open: openChild("sessions"), migrate: true, postgresOnly: true, apart: true},
		{name: "http-express", measure: "http-hand", open: openNode, postgresOnly: true, apart: true},
	}
}

// A workload is what callers do, one request after the other.
type workload struct {
	name, path string
	// together is how many requests of one session are under way at once, if more than one.
	together int
	most     int // callers, 0 for any number
}

var workloads = []workload{
	{name: "read", path: "/read"},
	{name: "counter", path: "/counter"},
	{name: "login", path: "/login"},
	{name: "rolling", path: "/rolling"},
	{name: "parallel", path: "/counter", together: 10, most: 8},
}

// callersOf leaves out of a short run what only the details need.
func (p *plan) callersOf(w workload) []int {
	return slices.DeleteFunc(slices.Clone(p.callers), func(n int) bool {
		detail := w.name != "read" && w.name != "counter" && n != 8 && len(p.callers) > 1
		return w.most > 0 && n > w.most || p.short && detail
	})
}

// pages are what each contender's application does.
type pages struct {
	begin   http.HandlerFunc // a new visitor logs in
	read    http.HandlerFunc
	counter http.HandlerFunc
	rolling http.HandlerFunc // reads, and moves the idle timeout at once
	login   http.HandlerFunc // the session gets another token, and the old one is dead
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/read":
		p.read(w, r)
	case "/counter":
		p.counter(w, r)
	case "/rolling":
		p.rolling(w, r)
	case "/login":
		p.login(w, r)
	case "/begin":
		p.begin(w, r)
	default:
		http.NotFound(w, r)
	}
}

// cart makes a session of some 500 bytes.
var cart = bench.Text(420)

const theme = "dark"

func newUser() string { return "user-" + strconv.Itoa(rand.IntN(1_000_000)) }

// answer is what the pages say, so that it can be checked.
func answer(w http.ResponseWriter, user string, count int) {
	_, _ = io.WriteString(w, user+" "+strconv.Itoa(count))
}

func refuse(w http.ResponseWriter) { http.Error(w, "no session", http.StatusUnauthorized) }

func failed(w http.ResponseWriter, err error) bool {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return err != nil
}
