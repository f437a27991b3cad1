package integration_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// The CLI's life on every database: migrate, look, clean up, take back.
func TestCLI(t *testing.T) {
	binary := build(t, "./cmd/sessions")
	for i, name := range []string{"postgres", "mysql", "sqlite"} {
		t.Run(name, func(t *testing.T) {
			b := backends[i+1]
			address := "sqlite:" + filepath.Join(t.TempDir(), "cli.db")
			if name != "sqlite" {
				address = newDatabase(t, servers.Engine(name))
			}
			run := func(code int, want string, args ...string) result {
				t.Helper()
				r := command(t, []string{"DATABASE_URL=" + address}, binary, args...)
				if r.code != code || !strings.Contains(r.stdout+r.stderr, want) {
					t.Errorf("sessions %s: exit code %d, want %d and %q in:\n%s%s", strings.Join(args, " "), r.code, code, want, r.stdout, r.stderr)
				}
				return r
			}
			if name != "sqlite" { // a file that does not exist is another error
				run(3, "migrate up", "migrate", "status")
				run(1, "migrate up", "cleanup", "--once")
			}
			var failed [5]string
			parallel(5, func(i int) {
				if r := command(t, []string{"DATABASE_URL=" + address}, binary, "migrate", "up"); r.code != 0 {
					failed[i] = r.stderr
				}
			})
			if text := strings.Join(failed[:], ""); text != "" {
				t.Fatalf("five at once: %s", text)
			}
			run(0, "4", "migrate", "version")
			run(0, "", "migrate", "status")
			run(0, "", "migrate", "up")

			c := b.connectTo(t, address)
			tab := &table{conns: c, name: "sessions", store: c.openStore(t, "sessions")}
			tab.fill(t, 2500)
			run(0, "2500", "cleanup", "--dry-run")
			if n := tab.rows(t); n != 2500 {
				t.Fatalf("a dry run left %d rows of 2500", n)
			}
			run(0, "2500", "cleanup", "--once")
			if n := tab.rows(t); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			run(0, "", "migrate", "down", "3")
			run(2, "--yes", "migrate", "down")
			run(0, "", "migrate", "down", "--yes")
			if name == "postgres" {
				_, err := c.db.ExecContext(t.Context(), "CREATE SCHEMA auth")
				check(t, err)
				run(0, "", "migrate", "up", "--schema", "auth", "--table", "web")
				run(0, "4", "migrate", "version", "--schema", "auth", "--table", "web")
			}
		})
	}
}

func withPassword(t *testing.T, address, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	check(t, err)
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// Whatever is wrong with the address, the password is not in the answer.
func TestCLIKeepsThePassword(t *testing.T) {
	binary := build(t, "./cmd/sessions")
	const password = "s3cr3t-pa55"
	closed := "127.0.0.1:1" // nobody listens on tcpmux
	for _, address := range []string{
		"postgres://user:" + password + "@" + closed + "/db", "mysql://user:" + password + "@" + closed + "/db",
		"postgres://user:" + password + "@bad host/db", "mysql://user:" + password + "@%zz/db", "oracle://user:" + password + "@" + closed + "/db",
		withPassword(t, postgresURL, password), withPassword(t, mysqlURL, password),
	} {
		for _, args := range [][]string{{"migrate", "status"}, {"cleanup", "--once"}, {"--database-url", address, "migrate", "up"}} {
			r := command(t, []string{"DATABASE_URL=" + address, "PGCONNECT_TIMEOUT=5"}, binary, args...)
			if text := fmt.Sprint(r.stdout, r.stderr); strings.Contains(text, password) {
				t.Errorf("%v shows the password: %s", args, text)
			}
		}
	}
}
