package faults_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// When forty callers share four connections, statements carry the rows of many. If one of them
// fails, each caller's change is made once, or it is told so and the change is made once at most.
func TestSharedRoundTripsFail(t *testing.T) {
	for _, i := range servedBy() {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			direct := b.Connect(t).NewTable(t)
			u, err := url.Parse(direct.URL)
			testbed.Check(t, err)
			proxy := faultproxy.New(t, u.Host)
			conns := direct.ConnectSized(t, proxy.URL(t, direct.URL), 4)
			calm := testbed.NewApp(t, direct)
			app := testbed.NewApp(t, &testbed.Table{Conns: conns, Name: direct.Name, Store: conns.OpenStore(t, direct.Name)})
			users, counters := make([]*testbed.Browser, 40), make([]int, 40)
			testbed.Parallel(len(users), func(i int) {
				users[i] = calm.Browser(t)
				counters[i] = count1(t, users[i])
				users[i].On(app)
			})
			refusals, lost, shared := 0, 0, false
			for _, fault := range []faultproxy.Fault{faultproxy.ResetBefore, faultproxy.ResetAfter, faultproxy.LoseAnswer, faultproxy.CutAnswer} {
				for n := 1; n <= 8; n++ {
					proxy.Next(n, fault)
					answers := make([]testbed.Response, len(users))
					before := app.Statements.Load()
					testbed.Parallel(len(users), func(i int) { answers[i] = users[i].Fetch("/count") })
					shared = shared || app.Statements.Load()-before < int64(len(users))
					if proxy.Happened() {
						lost++
					}
					proxy.Settle()
					for i, answer := range answers {
						got := count1(t, users[i].Clone(app).On(calm))
						added := got - counters[i] - 1
						counters[i] = got
						if answer.StatusCode == http.StatusServiceUnavailable && !testbed.SetsCookie(answer) && added <= 1 {
							refusals++
							continue
						}
						if answer.StatusCode != http.StatusOK || added != 1 {
							t.Errorf("%s, round trip %d: answered %d, and carried out %d times", fault, n, answer.StatusCode, added)
						}
					}
				}
			}
			t.Logf("%d round trips were lost, %d requests were refused", lost, refusals)
			if lost == 0 || !shared {
				t.Errorf("no round trip was lost, or none was shared: %t", shared)
			}
			app.NoConnectionInUse(t)
		})
	}
}

// count1 adds 1 to the browser's counter, and returns it.
func count1(t *testing.T, b *testbed.Browser) int {
	n, err := strconv.Atoi(b.OK("/count"))
	if err != nil {
		t.Error(err)
	}
	return n
}
