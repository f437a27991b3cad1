// Package integration_test runs the stores, the request path, the migrations
// and the CLI against real database servers.
package integration_test

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

// The databases that all tests share; each test has a table of its own in them.
var postgresURL, mysqlURL string

func TestMain(m *testing.M) {
	if process := os.Getenv(sqliteProcess); process != "" {
		os.Exit(serveSQLite(process))
	}
	before := goleak.IgnoreCurrent()
	code := run(m)
	if code == 0 {
		// By now every pool and server is closed, so whatever runs on was left behind.
		if err := goleak.Find(before); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines were left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for engine, url := range map[servers.Engine]*string{servers.PostgreSQL: &postgresURL, servers.MySQL: &mysqlURL} {
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
	if postgresPooler, err = findPooler(ctx, postgresURL); err != nil {
		fmt.Fprintln(os.Stderr, "is there a pooler?", err)
		return 1
	}
	postgresPooler.announce(os.Stderr)
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
