package requests_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

const (
	streams       = 1000
	watchInterval = 2 * time.Second
)

// A streamer is an application whose clients keep a stream open.
type streamer struct {
	*testbed.App
	server *httptest.Server
	ended  chan int64 // how many statements there had been when a session was found to have ended
	left   sync.WaitGroup
}

func newStreamer(t *testing.T, tab *testbed.Table) *streamer {
	t.Helper()
	st := &streamer{
		App:   testbed.NewApp(t, tab, func(o *sessions.Options) { o.WatchInterval = watchInterval }),
		ended: make(chan int64, streams),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(_ http.ResponseWriter, r *http.Request) {
		sessions.FromContext(r.Context()).SetUser(r.FormValue("u"))
	})
	mux.HandleFunc("/events", st.events)
	st.server = httptest.NewServer(st.Manager.Handler(mux))
	t.Cleanup(st.server.Close)
	return st
}

func (st *streamer) events(w http.ResponseWriter, r *http.Request) {
	ctx := sessions.FromContext(r.Context()).Context()
	fmt.Fprint(w, "data: hello\n\n")
	_ = http.NewResponseController(w).Flush()
	<-ctx.Done()
	if ended := (*sessions.EndedError)(nil); errors.As(context.Cause(ctx), &ended) {
		st.ended <- st.Statements.Load()
		fmt.Fprintf(w, "data: %s\n\n", ended.Reason)
	}
}

// open signs a user in and opens a stream. It is read up to its first event.
func (st *streamer) open(ctx context.Context, client *http.Client, user string) (stream *bufio.Scanner, err error) {
	res, err := client.Get(st.server.URL + "/login?u=" + user)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || len(res.Cookies()) != 1 {
		return nil, fmt.Errorf("login: %s, %d cookies", res.Status, len(res.Cookies()))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, st.server.URL+"/events", http.NoBody)
	if err != nil {
		return nil, err
	}
	req.AddCookie(res.Cookies()[0])
	if res, err = client.Do(req); err != nil {
		return nil, err
	}
	st.left.Add(1)
	context.AfterFunc(ctx, func() {
		_ = res.Body.Close()
		st.left.Done()
	})
	stream = bufio.NewScanner(res.Body)
	for range 2 {
		if !stream.Scan() {
			return nil, fmt.Errorf("events: %s, %w", res.Status, stream.Err())
		}
	}
	return stream, nil
}

// openAll opens the streams, half of them for ann.
func (st *streamer) openAll(ctx context.Context, t *testing.T, client *http.Client) (ann []*bufio.Scanner) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for i := worker; i < streams; i += 16 {
				user := []string{"ann", "bob"}[i%2]
				stream, err := st.open(ctx, client, user)
				if err != nil {
					t.Error(err)
					return
				}
				if user == "ann" {
					mu.Lock()
					ann = append(ann, stream)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return ann
}

// await waits until n more statements have been sent, or more, and returns how many.
func (st *streamer) await(n int64) int64 {
	before := st.Statements.Load()
	for deadline := time.Now().Add(2 * time.Minute); st.Statements.Load() < before+n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			panic("no statements came\n" + testbed.Stacks())
		}
	}
	return st.Statements.Load() - before
}

// A node asks for the endings of all its streams by one statement an interval, ends those
// of a revoked user by the next one, whichever node revoked it, and keeps no goroutine.
func TestStreamsOfOneNode(t *testing.T) {
	for _, i := range []int{testbed.PGXPool, testbed.MySQL} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) { streamsOfOneNode(t, b, 1) })
	}
}

func streamsOfOneNode(t *testing.T, b testbed.Backend, each int64) {
	tab := b.NewTable(t)
	st := newStreamer(t, tab)
	again := b.ConnectTo(t, tab.URL)
	elsewhere := testbed.NewApp(t, &testbed.Table{Conns: again, Name: tab.Name, Store: again.OpenStore(t, tab.Name)})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(client.CloseIdleConnections)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ann := st.openAll(ctx, t, client)

	st.await(each)
	start := time.Now()
	sent := st.await(4 * each)
	if took := time.Since(start); sent > each*int64(took/watchInterval+2) { // one more may begin at either end
		t.Errorf("%d statements in %v for %d streams", sent, took, streams)
	}

	n, err := elsewhere.Manager.RevokeUser(t.Context(), "ann")
	before, revoked := st.Statements.Load(), time.Now()
	if err != nil || n != streams/2 {
		t.Fatalf("%d sessions were revoked: %v", n, err)
	}
	for range ann {
		if late := <-st.ended - before; late > 2*each { // one may have been on its way
			t.Fatalf("a stream ended after %d statements", late)
		}
	}
	t.Logf("all had ended after %v", time.Since(revoked))
	for _, stream := range ann {
		if !stream.Scan() || stream.Text() != "data: "+string(sessions.ReasonRevokedUser) {
			t.Fatalf("the stream ended with %q, %v", stream.Text(), stream.Err())
		}
	}

	leave()
	st.left.Wait()
	st.server.Close() // waits for the handlers
	for watching := true; watching; time.Sleep(10 * time.Millisecond) {
		watching = strings.Contains(testbed.Stacks(), "internal/watch.")
	}
	if len(st.ended) != 0 {
		t.Errorf("%d streams of another user ended", len(st.ended))
	}
}
