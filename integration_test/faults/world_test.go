package faults_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A world is a server on which all operations run at once, each on a table of its own.
type world struct {
	proxy   *faultproxy.Proxy
	direct  *testbed.Conns
	through *testbed.Conns
	tables  []*testbed.Table // for each operation
}

func newWorld(t *testing.T, direct *testbed.Conns) *world {
	t.Helper()
	u, err := url.Parse(direct.URL)
	testbed.Check(t, err)
	w := &world{proxy: faultproxy.New(t, u.Host), direct: direct}
	w.through = direct.ConnectTo(t, w.proxy.URL(t, direct.URL))
	migrated := direct.NewTable(t)
	for range operations {
		w.tables = append(w.tables, migrated.Another(t))
	}
	return w
}

// cells returns the operations, ready to run. They wait for no answer longer than patience,
// unless they are to get one.
func (w *world) cells(t *testing.T, patience time.Duration, verdicts func(*operation) verdict) []*cell {
	t.Helper()
	cells := make([]*cell, len(operations))
	for i := range operations {
		tab := w.tables[i]
		through := &testbed.Table{Conns: w.through, Name: tab.Name, Store: w.through.OpenStore(t, tab.Name)}
		wait := patience
		if verdicts(&operations[i]) == done {
			wait = calmly
		}
		cells[i] = newCell(t, &operations[i], tab, through, wait)
	}
	return cells
}

// strike runs all operations until each has come to where the fault begins, and lets the fault
// begin and end. What then is of the operations must be as the verdicts say.
func strike(t *testing.T, cells []*cell, begin, end func(), verdicts func(op *operation) verdict) {
	t.Helper()
	b := newBarrier(cells)
	release := sync.OnceFunc(func() { close(b.begun) })
	defer release() // also if begin fails
	outcomes, answered := make([]outcome, len(cells)), make(chan struct{})
	go func() {
		defer close(answered)
		testbed.Parallel(len(cells), func(i int) { outcomes[i] = cells[i].op.run(cells[i]) })
	}()
	b.coming.Wait()
	begin()
	release()
	<-answered
	end()
	for i, c := range cells {
		t.Run(c.op.name, func(t *testing.T) {
			c.T = t
			c.judge(outcomes[i], verdicts(c.op))
			c.recover()
		})
		c.T = t
	}
}
