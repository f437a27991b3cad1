package testbed

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// NewDatabase makes an empty database on the shared server and returns its URL. It is dropped
// after the test.
func NewDatabase(t *testing.T, engine servers.Engine) string {
	t.Helper()
	b, drop := Backends[Postgres], "DROP DATABASE %s WITH (FORCE)"
	if engine == servers.MySQL {
		b, drop = Backends[MySQL], "DROP DATABASE %s"
	}
	admin := b.Connect(t)
	name := "d_" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	name = name[:min(len(name), 50)] + "_" + strings.ToLower(rand.Text()[:8]) // a test may need several
	_, err := admin.DB.ExecContext(t.Context(), "CREATE DATABASE "+name)
	Check(t, err)
	t.Cleanup(func() {
		if _, err := admin.DB.ExecContext(context.Background(), fmt.Sprintf(drop, name)); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(admin.URL)
	Check(t, err)
	u.Path = "/" + name
	return u.String()
}

// OwnedServer starts a server that the test may damage, and returns the URL of a database on it.
func OwnedServer(t *testing.T, engine servers.Engine) string {
	t.Helper()
	server, err := servers.StartOwned(t.Context(), engine, os.Stderr)
	Check(t, err)
	t.Cleanup(func() { Check(t, server.Close()) })
	address, _, err := server.CreateDatabase(t.Context())
	Check(t, err)
	return address
}

// Connection opens one connection beside the pool. It waits until the server has noticed that
// earlier connections were closed.
func (c *Conns) Connection(t *testing.T) *sql.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	beside := c.ConnectTo(t, c.URL)
	for {
		conn, err := beside.DB.Conn(ctx)
		if err == nil {
			return conn
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// MariaDB reports whether the MySQL server is MariaDB.
func MariaDB(t *testing.T) bool {
	t.Helper()
	var version string
	Check(t, Backends[MySQL].Connect(t).DB.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
	return strings.Contains(version, "MariaDB")
}

// Escaped escapes the values of parameters for a URL.
func Escaped(parameters string) string {
	values := url.Values{}
	for parameter := range strings.SplitSeq(parameters, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		values.Set(name, value)
	}
	return values.Encode()
}
