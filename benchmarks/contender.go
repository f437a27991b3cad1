package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

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
	elsewhere    bool // its sessions are not in the database
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
		{name: "redis-hand", measure: "hand", open: openRedis("everysec", handOnRedis), elsewhere: true},
		{name: "redis-hand-always", measure: "hand", open: openRedis("always", handOnRedis), elsewhere: true},
		{name: "redis-scs", measure: "hand", open: openRedis("everysec", scsOnRedis), without: "rolling", elsewhere: true},
		{name: "redis-scs-always", measure: "hand", open: openRedis("always", scsOnRedis), without: "rolling", elsewhere: true},
		{name: "http-hand", measure: "http-hand", open: openChild("hand"), migrate: true, postgresOnly: true, apart: true},
		{name: "http-sessions", measure: "http-hand", open: openChild("sessions"), migrate: true, postgresOnly: true, apart: true},
		{name: "http-express", measure: "http-hand", open: openNode, postgresOnly: true, apart: true},
	}
}

// A workload is what callers do, one request after the other.
type workload struct {
	name, path string
	// away is how long each answer of the database takes in addition.
	away time.Duration
	// together is how many requests of one session are under way at once, if more than one.
	together int
	most     int // callers, 0 for any number
}

// /begin lets a new visitor log in, /rolling moves the idle timeout at once, and /login gives the
// session another token.
var workloads = []workload{
	{name: "read", path: "/read"},
	{name: "counter", path: "/counter"},
	{name: "login", path: "/login"},
	{name: "read-away", path: "/read", away: time.Millisecond},
	{name: "counter-away", path: "/counter", away: time.Millisecond},
	{name: "rolling", path: "/rolling"},
	{name: "parallel", path: "/counter", together: 10, most: 64},
}

// compared are the contenders that are measured with a database far away; what runs in a process
// of its own can't be.
var compared = []string{"hand", "sessions", "sessions-one-by-one", "scs", "redis-hand", "redis-scs"}

func (w workload) measures(e *entry) bool {
	return e.without != w.name && (w.away == 0 || slices.Contains(compared, e.name))
}

// callersOf leaves out of a short run what only the details need.
func (p *plan) callersOf(w workload) []int {
	return slices.DeleteFunc(slices.Clone(p.callers), func(n int) bool {
		detail := (w.name != "read" && w.name != "counter" && n != 8 || n == 16 || n == 32) && len(p.callers) > 1
		return w.most > 0 && n > w.most || p.short && detail
	})
}

// pages are what each contender's application does, by path. A page returns what it shows, so that
// it can be checked.
type pages map[string]func(w http.ResponseWriter, r *http.Request) (user string, count int, err error)

var errNoSession = errors.New("no session")

func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch user, count, err := p[r.URL.Path](w, r); {
	case errors.Is(err, errNoSession):
		http.Error(w, err.Error(), http.StatusUnauthorized)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		_, _ = io.WriteString(w, user+" "+strconv.Itoa(count))
	}
}

// A session has some 500 bytes with its user and its count.
var cart, theme = bench.Text(420), "dark"

func newUser() string { return "user-" + strconv.Itoa(rand.IntN(1_000_000)) }
