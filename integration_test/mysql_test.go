package integration_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

const mysqlBackend = 2

// mariaDB tells which of the two servers the run has.
func mariaDB(t *testing.T) bool {
	t.Helper()
	var version string
	check(t, backends[mysqlBackend].connect(t).db.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
	return strings.Contains(version, "MariaDB")
}

// The suite, migrations included, with what a DSN can set.
func TestMySQLStoreInEveryMode(t *testing.T) {
	modes := map[string]string{
		"collation":        "collation=utf8mb4_unicode_ci&multiStatements=true",
		"charset":          "charset=latin1&time_zone='-11:00'",
		"ansi":             "sql_mode='ANSI,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH,NO_UNSIGNED_SUBTRACTION'",
		"traditional":      "sql_mode='TRADITIONAL,NO_BACKSLASH_ESCAPES'",
		"no escapes, text": "sql_mode='NO_BACKSLASH_ESCAPES'&interpolateParams=true",
		"not strict":       "sql_mode=''&innodb_strict_mode=0&default_storage_engine=MEMORY",
		"repeatable read":  "transaction_isolation='REPEATABLE-READ'",
		"serializable":     "transaction_isolation='SERIALIZABLE'",
	}
	if mariaDB(t) {
		modes["oracle"] = "sql_mode='ORACLE'"
		for _, level := range []string{"repeatable read", "serializable"} {
			modes[level] = strings.Replace(modes[level], "transaction", "tx", 1)
		}
	} else {
		modes["primary key"] = "sql_require_primary_key=1&sql_generate_invisible_primary_key=1"
	}
	for name, parameters := range modes {
		t.Run("mysql "+name, func(t *testing.T) {
			t.Parallel()
			runSuite(t, backends[mysqlBackend].connectTo(t, withParameters(mysqlURL, escaped(parameters))))
		})
	}
}

func TestMySQLSafeUpdates(t *testing.T) {
	c := backends[mysqlBackend].connectTo(t, withParameters(mysqlURL, "sql_safe_updates=1"))
	tab := c.newTable(t)
	a := newApp(t, tab)
	user, other := a.browser(t), a.browser(t)
	for _, path := range []string{"/login?u=alice", "/set?v=a", "/count", "/regenerate", "/read"} {
		user.ok(path)
		other.ok(path)
	}
	if got := user.ok("/everywhere"); got != "1 <nil>" {
		t.Errorf("logged out elsewhere: %s", got)
	}
	user.ok("/logout")
	other.ok("/login?u=bob")
	if n, err := a.manager.RevokeAll(t.Context()); n < 1 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	tab.fill(t, 3)
	n, err := reap(t.Context(), tab.store, 10)
	if n != 3 && (err == nil || !strings.Contains(err.Error(), "needs sql_safe_updates to be off")) {
		t.Errorf("swept %d, %v", n, err)
	}
}

// escaped is for parameters whose values are not escaped yet.
func escaped(parameters string) string {
	values := url.Values{}
	for parameter := range strings.SplitSeq(parameters, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		values.Set(name, value)
	}
	return values.Encode()
}

// The table has its own character sets, whatever the database's default is.
func TestMySQLDatabaseDefaults(t *testing.T) {
	defaults := map[string]string{
		"utf8mb4_general_ci": "utf8mb4 COLLATE utf8mb4_general_ci",
		"utf8mb3":            "utf8mb3 COLLATE utf8mb3_general_ci",
		"latin1":             "latin1",
		"ucs2":               "ucs2",
	}
	if !mariaDB(t) {
		defaults["utf8mb4_0900_ai_ci"] = "utf8mb4 COLLATE utf8mb4_0900_ai_ci"
	}
	admin := backends[mysqlBackend].connect(t)
	for name, set := range defaults {
		t.Run("mysql "+name, func(t *testing.T) {
			database := "sessions_test_" + name
			u, err := url.Parse(admin.url)
			check(t, err)
			_, err = admin.db.ExecContext(t.Context(), "CREATE DATABASE "+database+" CHARACTER SET "+set)
			check(t, err)
			t.Cleanup(func() {
				_, err := admin.db.ExecContext(context.Background(), "DROP DATABASE "+database)
				check(t, err)
			})
			u.Path = "/" + database
			runSuite(t, backends[mysqlBackend].connectTo(t, u.String()))
		})
	}
}

// Sessions are the same bytes through a connection of any character set. Where
// a server can't take a text through it, that is an error, and no other text.
func TestMySQLConnectionCharset(t *testing.T) {
	tab := backends[mysqlBackend].newTable(t)
	const user = "Ålice 😀"
	for _, charset := range []string{"latin1", "utf8mb3", "ascii", "gbk"} {
		t.Run("mysql "+charset, func(t *testing.T) {
			c := tab.connectTo(t, withParameters(mysqlURL, "charset="+charset))
			other := c.openStore(t, tab.name)
			r := newRow(`{"a":"é ✓ 😀 1"}`)
			r.User, r.Label = user, "at "+user
			r = insert(t, tab.store, r)
			same := func(s sessions.Store, want driver.Row) {
				t.Helper()
				got, err := s.Load(t.Context(), want.Ref)
				check(t, err)
				if string(got.Data) != string(want.Data) || got.User != want.User || got.Label != want.Label || got.Ref != want.Ref {
					t.Errorf("loaded %q of %q at %q, want %q of %q at %q", got.Data, got.User, got.Label, want.Data, want.User, want.Label)
				}
			}
			same(other, r)
			saved := r
			saved.Data = []byte(`{"a":"é ✓ 😀 2"}`)
			_, err := save(t.Context(), other, saved, day)
			if errors.Is(err, sessions.ErrValue) && charset != "latin1" && strings.Contains(err.Error(), "charset is not utf8mb4") {
				saved = r
			} else {
				check(t, err)
			}
			same(tab.store, saved)
			same(other, saved)
			list, err := other.List(t.Context(), driver.ListRequest{User: user, Limit: 10})
			check(t, err)
			if len(list) != 1 || string(list[0].Data) != string(saved.Data) {
				t.Errorf("listed %d sessions, or one with other data", len(list))
			}
			n, err := endUser(t.Context(), other, user)
			if n != 1 || err != nil {
				t.Errorf("ended %d, %v; want 1", n, err)
			}
		})
	}
}

// Without autocommit a session would be gone with its connection, and logged out ones
// would stay alive on the others. No method works, and the error says why.
func TestMySQLAutocommitIsOff(t *testing.T) {
	tab := backends[mysqlBackend].newTable(t)
	a := newApp(t, tab)
	user := a.browser(t)
	user.ok("/login?u=alice")
	for _, parameters := range []string{"autocommit=0", "autocommit=0&interpolateParams=true"} {
		c := tab.connectTo(t, withParameters(mysqlURL, parameters))
		off := newApp(t, &table{conns: c, name: tab.name, store: c.openStore(t, tab.name)})
		for _, path := range []string{"/read", "/set?v=lost", "/logout"} {
			off.refused(t, user.clone(a).on(off), path, "remove autocommit=0 from the DSN")
		}
		off.refused(t, off.browser(t), "/set?v=lost", "remove autocommit=0 from the DSN")
		_, list := off.store.List(t.Context(), driver.ListRequest{All: true, Limit: 1})
		_, count := off.store.Stats(t.Context())
		for _, err := range []error{list, count} {
			if err == nil || !strings.Contains(err.Error(), "autocommit is off") {
				t.Errorf("an error of %v", err)
			}
		}
	}
	if got := user.ok("/user"); got != "alice" || tab.rows(t) != 1 {
		t.Errorf("%d rows, and the session is %q's", tab.rows(t), got)
	}
}
