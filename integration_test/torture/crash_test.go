package torture_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// newTable returns the world's table. One that crashes has a server of its own, with durable
// settings.
func (w *world) newTable(b testbed.Backend) *testbed.Table {
	w.Helper()
	if !w.crashes {
		return b.NewTable(w.T)
	}
	engine := servers.PostgreSQL
	if b.Dialect == migrations.MySQL {
		engine = servers.MySQL
	}
	var err error
	w.server, err = servers.StartDurable(w.Context(), engine, os.Stderr)
	testbed.Check(w, err)
	w.Cleanup(func() { testbed.Check(w, w.server.Close()) })
	address, _, err := w.server.CreateDatabase(w.Context())
	testbed.Check(w, err)
	return b.ConnectTo(w.T, address).NewTable(w.T)
}

// killServer kills all processes of the server. It is started again at the end.
func killServer(w *world, _ *rand.Rand) (func(), error) {
	call := now()
	err := w.server.Crash(context.Background())
	w.now.Load().killed(call, now())
	start := func() error { return w.server.Start(context.Background()) }
	w.report(err)
	return func() { w.report(start()) }, nil
}

// report fails the test, also from a goroutine that is not the test's.
func (w *world) report(err error) {
	w.Helper()
	if err != nil {
		w.Error(err)
	}
}

// A kill is when the server was killed.
type kill struct{ call, ret int64 }

func (h *history) killed(call, ret int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kills = append(h.kills, kill{call, ret})
}

// flush is more than a server needs to write a commit to the disk.
const flush = int64(time.Second)

// lasting returns the events that hold although the server was killed. MariaDB shows a commit
// to others before it is on the disk: what they saw shortly before the server was killed need
// not be so afterwards.
func (r *round) lasting(events []*event, kills []kill) (last []*event) {
	if r.admin.Dialect != migrations.MySQL {
		return events
	}
	for _, e := range events {
		before := func(k kill) bool { return e.ret > k.call-flush && e.call < k.ret }
		switch {
		case e.result != refused && e.result != missing && e.kind != evLoad && e.kind != evList && e.kind != evReason:
		case !slices.ContainsFunc(kills, before):
		case e.kind == evLoad || e.kind == evList || e.kind == evReason:
			continue
		default:
			open := *e
			open.result, open.ret = unknown, never
			e = &open
		}
		last = append(last, e)
	}
	return last
}
