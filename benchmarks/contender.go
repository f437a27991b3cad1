package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// A contender is one way to keep sessions.
type contender struct {
	name    string
	engines []servers.Engine
	hand    string // the contender whose throughput is 1
	about   string // what it is
	less    string // what it does not do that others here do
	without []string
	// racy: it writes to shared memory without a lock, which the race detector would stop at.
	racy bool
	open func(ctx context.Context, e *env) (http.Handler, error)
	// apart: it runs in a process of its own, of which memory and statements can't be seen.
	apart bool
}

var (
	both     = []servers.Engine{servers.PostgreSQL, servers.MySQL}
	postgres = []servers.Engine{servers.PostgreSQL}
)

// contenders are all of them, the hand-written statements first.
func contenders() []contender {
	return slices.Concat(handContenders(), ourContenders(), scsContenders(), gorillaContenders(), httpContenders())
}

func (c *contender) does(workload string) bool { return !slices.Contains(c.without, workload) }

// pages are what each contender's application does.
type pages struct {
	begin   func(w http.ResponseWriter, r *http.Request, cart string) // a visitor without a session logs in
	read    http.HandlerFunc
	counter http.HandlerFunc
	rolling http.HandlerFunc // reads, and moves the idle timeout at once
	login   http.HandlerFunc // who has a session logs in: another token, the old one is dead
}

const (
	pathBegin, pathBeginLarge = "/begin", "/begin-large"
	pathRead, pathCounter     = "/read", "/counter"
	pathRolling, pathLogin    = "/rolling", "/login"
)

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case pathRead:
		p.read(w, r)
	case pathCounter:
		p.counter(w, r)
	case pathRolling:
		p.rolling(w, r)
	case pathLogin:
		p.login(w, r)
	case pathBegin:
		p.begin(w, r, smallCart)
	case pathBeginLarge:
		p.begin(w, r, largeCart)
	default:
		http.NotFound(w, r)
	}
}

// What everybody keeps in a session: some 500 bytes, or 6 KB.
var (
	smallCart = text(420)
	largeCart = text(6000)
)

const theme = "dark"

// text can't be compressed much, as a cart can't.
func text(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range n {
		b.WriteByte(letters[random.IntN(len(letters))])
	}
	return b.String()
}

func newUser() string { return "user-" + strconv.Itoa(rand.IntN(1_000_000)) }

// answer is what the pages say, so that it can be checked.
func answer(w http.ResponseWriter, user string, count int) {
	_, _ = io.WriteString(w, user+" "+strconv.Itoa(count))
}

func failed(w http.ResponseWriter, err error) bool {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return err != nil
}
