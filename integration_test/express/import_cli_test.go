package express_test

import (
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// What the command says of an old table that is not there or does not fit, and of names that
// are not the usual ones.
func TestExpressImportByTheCLI(t *testing.T) {
	cli := testbed.Build(t, "./cmd/sessions")
	eachTakeOver(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		from, url := "connect-pg-simple", testbed.PostgresURL
		names := []string{`"sid"`, `"id"`, `"sess"`, `"content"`, `"expire"`, `"expired"`}
		unfit := []string{"json", "bytea"}
		if b.Dialect == migrations.MySQL {
			from, url = "express-mysql-session", testbed.MySQLURL
			names = []string{"session_id", "id", "`data`", "`content`", "expires", "expired"}
			unfit = []string{"mediumtext COLLATE utf8mb4_bin", "longblob"}
		}
		run := func(args ...string) testbed.Result {
			t.Helper()
			return testbed.Command(t, []string{"DATABASE_URL=" + url}, cli, append([]string{"import", "--from", from, "--table", tab.Name}, args...)...)
		}
		renamed := foreignTable(t, tab.Conns, names...)
		all := []string{
			"--from-table", renamed.name, "--from-id-column", "id", "--from-data-column", "content", "--from-expiry-column", "expired", "--until", "2099-01-01",
		}
		for what, c := range map[string]struct {
			args []string
			code int
			says string
		}{
			"no old table":     {[]string{"--from-table", "no_such_table"}, 1, "the old table: "},
			"an unfit one":     {[]string{"--from-table", foreignTable(t, tab.Conns, unfit...).name}, 1, "the old table: "},
			"other columns":    {[]string{"--from-table", renamed.name}, 1, "the old table: "},
			"a column's typo":  {[]string{"--from-table", renamed.name, "--from-id-column", "a b"}, 2, `"a b"`},
			"no date":          {[]string{"--from-table", renamed.name, "--until", "next year"}, 2, "2027-06-01"},
			"a date long past": {[]string{"--from-table", renamed.name, "--until", "2020-01-01"}, 2, "is over"},
			"no new table":     {append([]string{"--table", "no_such_table"}, all...), 1, "migrate up"},
			"all names":        {all, 0, "1 copied"},
		} {
			renamed.run(t, "DELETE FROM $TABLE")
			if b.Dialect == migrations.PostgreSQL {
				renamed.run(t, `INSERT INTO $TABLE (id, content, expired) VALUES ('s', '{`+expressCookie+`}', now() + interval '1 hour')`)
			} else {
				renamed.run(t, "INSERT INTO $TABLE (id, content, expired) VALUES ('s', '{"+expressCookie+"}', UNIX_TIMESTAMP() + 3600)")
			}
			got := run(c.args...)
			said := got.Stdout + got.Stderr
			if got.Code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("%s: %d %q, want %d and %q", what, got.Code, said, c.code, c.says)
			}
			if strings.HasPrefix(c.says, "the old") && (strings.Contains(said, "migrate") || !strings.Contains(said, "--from-table")) {
				t.Errorf("%s: it advises %q", what, said)
			}
			t.Logf("%s: %s", what, strings.TrimSpace(said))
		}
	})
}

// Where the old table goes while it is read, the advice is about it too.
func TestExpressOldTableThatGoes(t *testing.T) {
	eachTakeOver(t, func(t *testing.T, b testbed.Backend) {
		s := newSite(t, b)
		cookie := s.login("42")
		m := s.manager()
		s.old.run(t, "ALTER TABLE $TABLE RENAME TO "+s.old.name+"_away")
		t.Cleanup(func() { _, _ = s.tab.DB.Exec("DROP TABLE " + s.old.name + "_away") })
		status, cookies := visit(t, m, cookie, func(*sessions.Session) { t.Error("it was served as a visitor") })
		if status != 503 || len(cookies) > 0 {
			t.Errorf("status %d, cookies %v", status, cookies)
		}
	})
}
