package requests_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// Memory goes with the requests that are under way, not with the sessions there are: nothing
// is kept of one whose request has ended.
func TestMemoryGoesWithRequests(t *testing.T) {
	testbed.EachServer(t, func(t *testing.T, b testbed.Backend) {
		const callers, rounds, most = 256, 10, 64 << 20
		blob := sessions.NewKey[string]("blob")
		tab := b.NewTable(t)
		m, err := sessions.New(tab.Store, sessions.Options{Secrets: [][]byte{testbed.Secret}})
		testbed.Check(t, err)
		var reached sync.WaitGroup // by all callers of a round
		var peak uint64
		handler := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			text, _ := blob.Get(s)
			if len(text) != 2048 {
				blob.Set(s, strings.Repeat("x", 2048))
			} else {
				blob.Set(s, text[1:]+"y")
			}
			reached.Done()
			reached.Wait() // with the session decoded and changed
		}))
		requests := make([]*http.Request, callers)
		for i := range requests {
			requests[i] = httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://example.com/", nil)
		}
		runtime.GC() // what earlier tests left would put the next one off, and garbage counts here
		before := heap()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for ticker := time.NewTicker(time.Millisecond); ; {
				select {
				case <-ticker.C:
					peak = max(peak, heap())
				case <-stop:
					ticker.Stop()
					return
				}
			}
		}()
		for range rounds {
			reached.Add(callers)
			testbed.Parallel(callers, func(i int) {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, requests[i])
				if cookies := w.Result().Cookies(); len(cookies) > 0 {
					requests[i].AddCookie(cookies[0])
				}
				if w.Code != http.StatusOK {
					t.Errorf("status %d", w.Code)
				}
			})
		}
		close(stop)
		<-stopped
		if grown := peak - min(peak, before); grown > most {
			t.Errorf("%d callers took %d MB", callers, grown>>20)
		} else {
			t.Logf("%d callers with 2 KB each took %d MB, garbage included", callers, grown>>20)
		}
		if n := tab.Rows(t); n != callers {
			t.Errorf("%d rows for %d callers", n, callers)
		}
		runtime.GC()
		runtime.GC()
		if left := heap(); left > before+4<<20 {
			t.Errorf("%d KB are left of %d sessions", (left-before)>>10, callers)
		}
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
