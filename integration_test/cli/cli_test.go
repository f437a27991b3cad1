package cli_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// The CLI's life on every database: migrate, look, clean up, take back.
func TestCLI(t *testing.T) {
	binary := testbed.Build(t, "./cmd/sessions")
	for i, name := range []string{"postgres", "mysql", "sqlite"} {
		t.Run(name, func(t *testing.T) {
			b := testbed.Backends[i+1]
			address := "sqlite:" + filepath.Join(t.TempDir(), "cli.db")
			if name != "sqlite" {
				address = testbed.NewDatabase(t, servers.Engine(name))
			}
			run := func(code int, want string, args ...string) testbed.Result {
				t.Helper()
				r := testbed.Command(t, []string{"DATABASE_URL=" + address}, binary, args...)
				if r.Code != code || !strings.Contains(r.Stdout+r.Stderr, want) {
					t.Errorf("sessions %s: exit code %d, want %d and %q in:\n%s%s", strings.Join(args, " "), r.Code, code, want, r.Stdout, r.Stderr)
				}
				return r
			}
			if name != "sqlite" { // a file that does not exist is another error
				run(3, "migrate up", "migrate", "status")
				run(1, "migrate up", "cleanup", "--once")
			}
			var failed [5]string
			testbed.Parallel(5, func(i int) {
				if r := testbed.Command(t, []string{"DATABASE_URL=" + address}, binary, "migrate", "up"); r.Code != 0 {
					failed[i] = r.Stderr
				}
			})
			if text := strings.Join(failed[:], ""); text != "" {
				t.Fatalf("five at once: %s", text)
			}
			run(0, "4", "migrate", "version")
			run(0, "", "migrate", "status")
			run(0, "", "migrate", "up")

			c := b.ConnectTo(t, address)
			tab := &testbed.Table{Conns: c, Name: "sessions", Store: c.OpenStore(t, "sessions")}
			tab.Fill(t, 2500)
			run(0, "2500", "cleanup", "--dry-run")
			if n := tab.Rows(t); n != 2500 {
				t.Fatalf("a dry run left %d rows of 2500", n)
			}
			run(0, "2500", "cleanup", "--once")
			if n := tab.Rows(t); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			run(0, "", "migrate", "down", "3")
			run(2, "--yes", "migrate", "down")
			run(0, "", "migrate", "down", "--yes")
			if name == "postgres" {
				_, err := c.DB.ExecContext(t.Context(), "CREATE SCHEMA auth")
				testbed.Check(t, err)
				run(0, "", "migrate", "up", "--schema", "auth", "--table", "web")
				run(0, "4", "migrate", "version", "--schema", "auth", "--table", "web")
			}
		})
	}
}

func withPassword(t *testing.T, address, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	testbed.Check(t, err)
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// Whatever is wrong with the address, the password is not in the answer.
func TestCLIKeepsThePassword(t *testing.T) {
	binary := testbed.Build(t, "./cmd/sessions")
	const password = "s3cr3t-pa55"
	closed := "127.0.0.1:1" // nobody listens on tcpmux
	for _, address := range []string{
		"postgres://user:" + password + "@" + closed + "/db", "mysql://user:" + password + "@" + closed + "/db",
		"postgres://user:" + password + "@bad host/db", "mysql://user:" + password + "@%zz/db", "oracle://user:" + password + "@" + closed + "/db",
		withPassword(t, testbed.PostgresURL, password), withPassword(t, testbed.MySQLURL, password),
	} {
		for _, args := range [][]string{{"migrate", "status"}, {"cleanup", "--once"}, {"--database-url", address, "migrate", "up"}} {
			r := testbed.Command(t, []string{"DATABASE_URL=" + address, "PGCONNECT_TIMEOUT=5"}, binary, args...)
			if text := fmt.Sprint(r.Stdout, r.Stderr); strings.Contains(text, password) {
				t.Errorf("%v shows the password: %s", args, text)
			}
		}
	}
}
