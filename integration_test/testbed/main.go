// Package testbed is what the integration tests share: databases, the ways to reach them,
// tables, and a small application on a real HTTP server.
package testbed

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// The databases that all tests of a package share. Each test makes a table of its own.
var PostgresURL, MySQLURL string

// Main is the TestMain of a package that needs both servers.
func Main(m *testing.M) { MainWith(m, withServers) }

// MainWithoutServers is the TestMain of a package that needs none.
func MainWithoutServers(m *testing.M) { MainWith(m, (*testing.M).Run) }

// MainWith is the TestMain of a package that makes its own preparations in run. It fails if
// a goroutine is left.
func MainWith(m *testing.M, run func(*testing.M) int) {
	if process := os.Getenv(processVariable); process != "" {
		os.Exit(serveProcess(process))
	}
	before := goleak.IgnoreCurrent()
	code := run(m)
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	if code == 0 {
		// Every pool and server is closed now, so a goroutine that still runs is a leak.
		if err := goleak.Find(before); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines were left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func withServers(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for engine, url := range map[servers.Engine]*string{servers.PostgreSQL: &PostgresURL, servers.MySQL: &MySQLURL} {
		server, err := servers.Start(ctx, engine, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1 // a database that is not there is a failure, not a reason to skip
		}
		defer server.Close()
		fmt.Fprintf(os.Stderr, "testing on %s (%s)\n", server.Version(), server.Source())
		var drop func(context.Context) error
		if *url, drop, err = server.CreateDatabase(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = drop(context.Background()) }()
	}
	var err error
	if PostgresPooler, err = findPooler(ctx, PostgresURL); err != nil {
		fmt.Fprintln(os.Stderr, "is there a pooler?", err)
		return 1
	}
	PostgresPooler.announce(os.Stderr)
	var sqlite string
	db, err := sql.Open("sqlite", ":memory:")
	if err == nil {
		err = db.QueryRow("SELECT sqlite_version()").Scan(&sqlite)
		_ = db.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sqlite:", err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "testing on SQLite %s\n", sqlite)
	return m.Run()
}
