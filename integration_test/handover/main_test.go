// Package handover_test proves, with a real Express application in Node, that Go and
// Node share live sessions.
package handover_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

var (
	databases []*database
	runtime   node
)

func TestMain(m *testing.M) { testbed.MainWith(m, runAll) }

func runAll(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	var err error
	if runtime, err = findNode(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1 // without Node nothing is proven
	}
	for _, engine := range []servers.Engine{servers.PostgreSQL, servers.MySQL} {
		d, err := newDatabase(ctx, engine)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer d.close()
		databases = append(databases, d)
	}
	return m.Run()
}

// A database is a fresh one on a real server.
type database struct {
	engine  servers.Engine
	version string
	url     string
	sql     *sql.DB
	close   func()
}

func newDatabase(ctx context.Context, engine servers.Engine) (*database, error) {
	server, err := servers.Start(ctx, engine, os.Stderr)
	if err != nil {
		return nil, err
	}
	url, drop, err := server.CreateDatabase(ctx)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	d := &database{engine: engine, version: server.Version(), url: url}
	if d.sql, err = openSQL(engine, url); err != nil {
		return nil, errors.Join(err, drop(ctx), server.Close())
	}
	d.close = func() {
		_ = d.sql.Close()
		_ = drop(context.Background())
		_ = server.Close()
	}
	return d, nil
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	for _, d := range databases {
		t.Run(string(d.engine), func(t *testing.T) { test(t, d) })
	}
}
