package torture_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"

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
	start := func() error { return w.server.Start(context.Background()) }
	if err := w.server.Crash(context.Background()); err != nil {
		return nil, errors.Join(err, start())
	}
	return func() { testbed.Check(w, start()) }, nil
}
