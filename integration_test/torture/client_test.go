package torture_test

import (
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

const cookieName = "session"

// sentCookie returns the cookie in a header, "" if there is none or it is to be dropped.
func sentCookie(h http.Header) string {
	value, _ := setCookie(h)
	return value
}

func setCookie(h http.Header) (value string, there bool) {
	for _, line := range h["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == cookieName {
			there = true
			if c.MaxAge >= 0 {
				value = c.Value
			}
		}
	}
	return value, there
}

// idOf returns the ID in a cookie.
func idOf(value string) driver.ID {
	text, _, _ := strings.Cut(value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text[1:])
	if err != nil || len(raw) < uuid.Size {
		return ""
	}
	return driver.ID(uuid.Format([uuid.Size]byte(raw)))
}

func hostOf(t testing.TB, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func isMissing(err error) bool { return errors.Is(err, sessions.ErrNotFound) }

// A jar is the cookie of a browser, which several clients may use at once, like tabs.
type jar struct {
	mu  sync.Mutex
	now string
	old []string
}

// cookie returns the cookie, or sometimes one that it was before, as a thief would.
func (j *jar) cookie(r *rand.Rand) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.old) > 0 && r.IntN(15) == 0 {
		return j.earlierLocked(r)
	}
	return j.now
}

// earlier returns a cookie that the jar had before.
func (j *jar) earlier(r *rand.Rand) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.earlierLocked(r)
}

func (j *jar) earlierLocked(r *rand.Rand) string {
	if n := len(j.old); n > 0 {
		return j.old[n-1-r.IntN(min(n, 4))]
	}
	return ""
}

func (j *jar) set(value string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.now != "" {
		j.old = append(j.old, j.now)
	}
	j.now = value
}

// A round is some clients on a world for a while.
type round struct {
	*world
	seed    uint64
	users   []string
	jars    []*jar
	history *history
}

var requests atomic.Uint64

// client sends requests until ctx ends.
func (r *round) client(ctx context.Context, number uint64) {
	random := rand.New(rand.NewPCG(r.seed, number))
	for ctx.Err() == nil {
		i := random.IntN(len(r.jars))
		j := r.jars[i]
		if random.IntN(60) == 0 {
			j.set("") // a new browser
		}
		n := r.nodes[random.IntN(len(r.nodes))]
		value, changes := j.cookie(random), 1 // one of how many requests
		switch {
		case r.short && i%2 == 0 && value != "": // some sessions are hardly changed before they expire
			changes = 300
		case r.short:
			changes = 10
		}
		patience := time.Minute
		if random.IntN(25) == 0 {
			patience = time.Duration(random.IntN(20)) * time.Millisecond
		}
		values := []string{value, r.second(random, value)}
		if random.IntN(2) == 0 {
			slices.Reverse(values)
		}
		r.send(n, j, newScript(random, r.users, changes), patience, values...)
	}
}

// send sends one request and waits for the answer.
func (r *round) send(n *node, j *jar, s script, patience time.Duration, values ...string) *record {
	h := r.history
	rec := &record{id: requests.Add(1), node: n.number, script: string(s), patient: patience == time.Minute}
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	for _, value := range slices.Compact(values) {
		rec.cookies = append(rec.cookies, &cookie{value: value, token: h.token(value), session: idOf(value)})
		rec.cookie = *rec.cookies[0]
	}
	n.mu.Lock()
	n.records[rec.id] = rec
	n.mu.Unlock()
	h.mu.Lock()
	h.records = append(h.records, rec)
	h.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.server.URL+"/", http.NoBody)
	if err != nil {
		r.Error(err)
		return rec
	}
	req.Header.Set(numberHeader, utoa(rec.id))
	for _, c := range rec.cookies {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: c.value})
	}
	rec.sent = now()
	res, err := n.client.Do(req)
	if err == nil {
		rec.status = res.StatusCode
		var fresh string
		fresh, rec.setCookie = setCookie(res.Header)
		if rec.setCookie {
			j.set(fresh)
		}
		rec.cut = drain(res.Body) != nil
	}
	rec.got = now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if rec.in == 0 { // it never came, and must not come later
		delete(n.records, rec.id)
	}
	return rec
}
