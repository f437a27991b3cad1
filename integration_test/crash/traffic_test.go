package crash_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// Traffic is what browsers do, with accounts of what they were told.
type traffic struct {
	t      *testing.T
	base   atomic.Pointer[string] // where the application is
	client *http.Client
	stop   chan struct{}
	all    sync.WaitGroup

	acked, refused atomic.Int64
	counters       []*counter

	mu   sync.Mutex
	live map[string]string // cookies of acknowledged sign-ins, and the user; none asked to end them
	dead []string          // cookies whose ending was acknowledged
}

// A counter is a session that several browsers add to.
type counter struct {
	cookie       string
	tried, acked atomic.Int64
}

const (
	counters = 4
	adders   = 2 // of each counter
	visitors = 4
)

func newTraffic(t *testing.T) *traffic {
	tr := &traffic{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}, live: map[string]string{}}
	t.Cleanup(tr.client.CloseIdleConnections)
	return tr
}

// start begins a round of requests to an application.
func (tr *traffic) start(base string) {
	tr.base.Store(&base)
	for len(tr.counters) < counters {
		_, cookie, ok := tr.get("/count", "")
		if !ok {
			tr.t.Fatal("no session was made")
		}
		c := &counter{cookie: cookie}
		c.tried.Add(1)
		c.acked.Add(1)
		tr.counters = append(tr.counters, c)
	}
	tr.stop = make(chan struct{})
	for _, c := range tr.counters {
		for range adders {
			tr.loop(func() {
				c.tried.Add(1)
				if _, _, ok := tr.get("/count", c.cookie); ok {
					c.acked.Add(1)
					tr.acked.Add(1)
				}
			})
		}
	}
	for i := range visitors {
		tr.loop(func() { tr.visit(fmt.Sprintf("u%d-%x", i, rand.Uint64())) })
	}
}

func (tr *traffic) loop(f func()) {
	tr.all.Go(func() {
		for {
			select {
			case <-tr.stop:
				return
			default:
				f()
			}
		}
	})
}

func (tr *traffic) end() {
	close(tr.stop)
	tr.all.Wait()
}

// get asks with a cookie and returns the one that the browser has afterwards. ok is false if
// there was no answer, or 503.
func (tr *traffic) get(path, cookie string) (body, after string, ok bool) {
	r, err := http.NewRequest(http.MethodGet, *tr.base.Load()+path, nil)
	if err != nil {
		tr.t.Error(err)
		return "", cookie, false
	}
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	answer, err := tr.client.Do(r)
	if err != nil { // the application was killed
		tr.refused.Add(1)
		return "", cookie, false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return "", cookie, false
	case answer.StatusCode == http.StatusServiceUnavailable && len(answer.Cookies()) == 0:
		tr.refused.Add(1)
		return "", cookie, false
	case answer.StatusCode != http.StatusOK:
		tr.t.Errorf("%s: %d %s %v", path, answer.StatusCode, text, answer.Header["Set-Cookie"])
		return "", cookie, false
	}
	for _, c := range answer.Cookies() {
		cookie = c.Value
	}
	return string(text), cookie, true
}

// visit signs a user in, and half of them out, or out everywhere else.
func (tr *traffic) visit(user string) {
	_, visitor, ok := tr.get("/set?v="+user, "")
	if !ok {
		return
	}
	_, cookie, ok := tr.get("/login?u="+user, visitor)
	if !ok {
		return // it may have been done, and then no browser has its cookie
	}
	tr.note(user, cookie, visitor)
	switch rand.IntN(4) {
	case 0:
		tr.forget(cookie)
		if _, _, ok := tr.get("/logout", cookie); ok {
			tr.note("", "", cookie)
		}
	case 1:
		_, second, ok := tr.get("/login?u="+user, "")
		if !ok {
			return
		}
		tr.note(user, second, "")
		tr.forget(cookie)
		if body, _, ok := tr.get("/everywhere", second); ok && body == "1 <nil>" {
			tr.note("", "", cookie)
		}
	}
}

// note keeps what was acknowledged: that a cookie is a user's, and that another is dead.
func (tr *traffic) note(user, cookie, dead string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if cookie != "" {
		tr.live[cookie] = user
	}
	if dead != "" {
		tr.dead = append(tr.dead, dead)
	}
	tr.acked.Add(1)
}

// forget is for a session that is about to be ended.
func (tr *traffic) forget(cookie string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	delete(tr.live, cookie)
}

// more waits until n more changes were acknowledged.
func (tr *traffic) more(n int64) {
	tr.t.Helper()
	want := tr.acked.Load() + n
	testbed.Await(tr.t, "it goes on", func() bool { return tr.acked.Load() >= want })
}

// check looks for what was acknowledged since the last time. The sessions are then forgotten,
// but for some, so that a hundred rounds end.
func (tr *traffic) check() {
	tr.t.Helper()
	sure := func(path, cookie string, tried *atomic.Int64) string {
		var body string
		testbed.Await(tr.t, path+" is answered", func() (ok bool) {
			tried.Add(1) // also one that is refused may be carried out
			body, _, ok = tr.get(path, cookie)
			return ok
		})
		return body
	}
	for i, c := range tr.counters {
		// Its own answer counts the addition that it makes.
		n, err := strconv.ParseInt(sure("/count", c.cookie, &c.tried), 10, 64)
		if err != nil {
			tr.t.Fatal(err)
		}
		if acked, tried := c.acked.Load(), c.tried.Load(); n <= acked || n > tried {
			tr.t.Errorf("counter %d is at %d, with %d of %d acknowledged", i, n, acked, tried)
		}
		c.tried.Store(n)
		c.acked.Store(n)
	}
	for cookie, user := range tr.live {
		if got := sure("/user", cookie, new(atomic.Int64)); got != user {
			tr.t.Errorf("a session of %s is %q", user, got)
		}
	}
	for _, cookie := range tr.dead {
		if got := sure("/user", cookie, new(atomic.Int64)); got != "" {
			tr.t.Errorf("a session that ended is %s", got)
		}
	}
	tr.t.Logf("checked %d sessions that are live, and %d that ended", len(tr.live), len(tr.dead))
	kept := 0
	for cookie := range tr.live {
		if kept++; kept > 10 {
			delete(tr.live, cookie)
		}
	}
	rand.Shuffle(len(tr.dead), func(i, j int) { tr.dead[i], tr.dead[j] = tr.dead[j], tr.dead[i] })
	tr.dead = tr.dead[:min(len(tr.dead), 10)]
}
