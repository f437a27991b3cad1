package stores_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

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
	if testbed.MariaDB(t) {
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
			run := testbed.RunSuiteInMode
			if strings.Contains(parameters, "isolation") {
				run = testbed.RunSuite // which decides races
			}
			run(t, testbed.Backends[testbed.MySQL].ConnectTo(t, testbed.WithParameters(testbed.MySQLURL, testbed.Escaped(parameters))))
		})
	}
}

func TestMySQLSafeUpdates(t *testing.T) {
	c := testbed.Backends[testbed.MySQL].ConnectTo(t, testbed.WithParameters(testbed.MySQLURL, "sql_safe_updates=1"))
	tab := c.NewTable(t)
	a := testbed.NewApp(t, tab)
	user, other := a.Browser(t), a.Browser(t)
	for _, path := range []string{"/login?u=alice", "/set?v=a", "/count", "/regenerate", "/read"} {
		user.OK(path)
		other.OK(path)
	}
	if got := user.OK("/everywhere"); got != "1 <nil>" {
		t.Errorf("logged out elsewhere: %s", got)
	}
	user.OK("/logout")
	other.OK("/login?u=bob")
	if n, err := a.Manager.RevokeAll(t.Context()); n < 1 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	tab.Fill(t, 3)
	n, err := testbed.Reap(t.Context(), tab.Store, 10)
	if n != 3 && (err == nil || !strings.Contains(err.Error(), "needs sql_safe_updates to be off")) {
		t.Errorf("swept %d, %v", n, err)
	}
}

// The table has its own character sets, whatever the database's default is.
// A touch finds its row on a table with a trigger for updates, such as that of an audit log.
func TestMySQLTriggerForUpdates(t *testing.T) {
	tab := testbed.Backends[testbed.MySQL].NewTable(t)
	ctx, row := t.Context(), testbed.NewRow("")
	for _, statement := range []string{
		"CREATE TABLE " + tab.Name + "_audit (id INT AUTO_INCREMENT PRIMARY KEY)",
		"CREATE TRIGGER " + tab.Name + "_audits BEFORE UPDATE ON " + tab.Name + " FOR EACH ROW INSERT INTO " + tab.Name + "_audit VALUES ()",
	} {
		_, err := tab.DB.ExecContext(ctx, statement)
		testbed.Check(t, err)
	}
	t.Cleanup(func() { _, _ = tab.DB.ExecContext(context.Background(), "DROP TABLE "+tab.Name+"_audit") })
	_, err := tab.Store.Create(ctx, driver.CreateRequest{
		Ref: row.Ref, User: "ada", Data: []byte("{}"), Life: driver.Life{Idle: time.Hour, Absolute: 2 * time.Hour},
	})
	testbed.Check(t, err)
	for _, throttle := range []time.Duration{0, time.Minute} { // due, and not
		touch := driver.TouchRequest{Ref: row.Ref, Life: driver.Life{Idle: time.Hour, Throttle: throttle}}
		if _, err := tab.Store.Touch(ctx, touch); err != nil {
			t.Errorf("throttle %v: %v", throttle, err)
		}
		touch.Verifier = testbed.RandomVerifier()
		if _, err := tab.Store.Touch(ctx, touch); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("throttle %v, another verifier: %v", throttle, err)
		}
	}
}

func TestMySQLDatabaseDefaults(t *testing.T) {
	defaults := map[string]string{
		"utf8mb4_general_ci": "utf8mb4 COLLATE utf8mb4_general_ci",
		"utf8mb3":            "utf8mb3 COLLATE utf8mb3_general_ci",
		"latin1":             "latin1",
		"ucs2":               "ucs2",
	}
	if !testbed.MariaDB(t) {
		defaults["utf8mb4_0900_ai_ci"] = "utf8mb4 COLLATE utf8mb4_0900_ai_ci"
	}
	admin := testbed.Backends[testbed.MySQL].Connect(t)
	for name, set := range defaults {
		t.Run("mysql "+name, func(t *testing.T) {
			t.Parallel()
			database := "sessions_test_" + name
			u, err := url.Parse(admin.URL)
			testbed.Check(t, err)
			_, err = admin.DB.ExecContext(t.Context(), "CREATE DATABASE "+database+" CHARACTER SET "+set)
			testbed.Check(t, err)
			t.Cleanup(func() {
				_, err := admin.DB.ExecContext(context.Background(), "DROP DATABASE "+database)
				testbed.Check(t, err)
			})
			u.Path = "/" + database
			testbed.RunSuiteInMode(t, testbed.Backends[testbed.MySQL].ConnectTo(t, u.String()))
		})
	}
}

// Sessions are the same bytes through a connection of any character set. Where
// a server can't take a text through it, that is an error, and no other text. The last bytes
// before the quote are one character of gbk with the backslash that a driver puts there, if it
// puts names into the statement itself.
func TestMySQLConnectionCharset(t *testing.T) {
	tab := testbed.Backends[testbed.MySQL].NewTable(t)
	const user = "Ålice 😀 €' OR TRUE -- "
	neighbour := testbed.Insert(t, tab.Store, testbed.NewRow("{}"))
	for _, charset := range []string{
		"latin1", "utf8mb3", "ascii", "gbk",
		"latin1&interpolateParams=true", "gbk&interpolateParams=true", "sjis&interpolateParams=true", "big5&interpolateParams=true",
	} {
		t.Run("mysql "+charset, func(t *testing.T) {
			c := tab.ConnectTo(t, testbed.WithParameters(testbed.MySQLURL, "charset="+charset))
			other := c.OpenStore(t, tab.Name)
			r := testbed.NewRow(`{"a":"é ✓ 😀 1"}`)
			r.User, r.Label = user, "at "+user
			r = testbed.Insert(t, tab.Store, r)
			same := func(s sessions.Store, want driver.Row) {
				t.Helper()
				got, err := s.Load(t.Context(), want.Ref)
				testbed.Check(t, err)
				if string(got.Data) != string(want.Data) || got.User != want.User || got.Label != want.Label || got.Ref != want.Ref {
					t.Errorf("loaded %q of %q at %q, want %q of %q at %q", got.Data, got.User, got.Label, want.Data, want.User, want.Label)
				}
			}
			same(other, r)
			saved := r
			saved.Data = []byte(`{"a":"é ✓ 😀 2"}`)
			_, err := testbed.Save(t.Context(), other, saved, testbed.Day)
			if errors.Is(err, sessions.ErrValue) && !strings.HasPrefix(charset, "latin1") && strings.Contains(err.Error(), "charset is not utf8mb4") {
				saved = r
			} else {
				testbed.Check(t, err)
			}
			same(tab.Store, saved)
			same(other, saved)
			list, err := other.List(t.Context(), driver.ListRequest{User: user, Limit: 10})
			testbed.Check(t, err)
			if len(list) != 1 || string(list[0].Data) != string(saved.Data) {
				t.Errorf("listed %d sessions, or one with other data", len(list))
			}
			n, err := testbed.EndUser(t.Context(), other, user)
			if n != 1 || err != nil {
				t.Errorf("ended %d, %v; want 1", n, err)
			}
			same(tab.Store, neighbour)
			tab.Age(t, 300*time.Hour)
			for more := true; more; {
				result, err := other.Reap(t.Context(), driver.ReapRequest{Limit: 2})
				testbed.Check(t, err)
				more = result.More
			}
			if n := tab.Rows(t); n != 0 {
				t.Errorf("%d rows are left after a sweep", n)
			}
			neighbour = testbed.Insert(t, tab.Store, testbed.NewRow("{}"))
		})
	}
}

// Without autocommit a session would be gone with its connection, and logged out ones
// would stay alive on the others. No method works, and the error says why.
func TestMySQLAutocommitIsOff(t *testing.T) {
	tab := testbed.Backends[testbed.MySQL].NewTable(t)
	a := testbed.NewApp(t, tab)
	user := a.Browser(t)
	user.OK("/login?u=alice")
	for _, parameters := range []string{"autocommit=0", "autocommit=0&interpolateParams=true"} {
		c := tab.ConnectTo(t, testbed.WithParameters(testbed.MySQLURL, parameters))
		off := testbed.NewApp(t, &testbed.Table{Conns: c, Name: tab.Name, Store: c.OpenStore(t, tab.Name)})
		for _, path := range []string{"/read", "/set?v=lost", "/logout"} {
			off.Refused(t, user.Clone(a).On(off), path, "remove autocommit=0 from the DSN")
		}
		off.Refused(t, off.Browser(t), "/set?v=lost", "remove autocommit=0 from the DSN")
		_, list := off.Store.List(t.Context(), driver.ListRequest{All: true, Limit: 1})
		_, count := off.Store.Stats(t.Context())
		for _, err := range []error{list, count} {
			if err == nil || !strings.Contains(err.Error(), "autocommit is off") {
				t.Errorf("an error of %v", err)
			}
		}
	}
	if got := user.OK("/user"); got != "alice" || tab.Rows(t) != 1 {
		t.Errorf("%d rows, and the session is %q's", tab.Rows(t), got)
	}
}
