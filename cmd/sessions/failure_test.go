package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	check(t, listener.Close())
	return listener.Addr().String()
}

// Errors say what is wrong and what to do, and never have the password in them,
// whichever way the URL is broken.
func TestURLsThatFail(t *testing.T) {
	const password = "Tr0ub4dor"
	at := closedPort(t)
	garbled := "percent-encode"
	for url, text := range map[string]string{
		"":                                    "DATABASE_URL",
		"postgres://bob:Tr0ub4dor@ADDR/app":   "can't reach PostgreSQL at ADDR",
		"postgresql://bob:Tr0ub4dor@ADDR/app": "can't reach PostgreSQL at ADDR",
		"POSTGRES://bob:Tr0ub4dor@ADDR/app":   "can't reach PostgreSQL at ADDR",
		"postgres://bob@ADDR/app?password=Tr0ub4dor":                 "can't reach PostgreSQL at ADDR",
		"postgres://bob:Tr0ub4dor@ADDR,ADDR/app":                     "can't reach PostgreSQL at ADDR",
		"postgres://bob:Tr0ub4dor@/app?host=/nonexistent":            "can't reach PostgreSQL at /nonexistent",
		"postgres://bob:Tr0ub4dor%zz@ADDR/app":                       garbled,
		"postgres://bob:Tr0ub/4dor@ADDR/app":                         garbled,
		"postgres://bob:Tr0ub4dor@127.0.0.1:port/app":                garbled,
		"postgres://bob:Tr0ub4dor":                                   garbled,
		"postgres://bob:Tr0ub4dor@ADDR/app?sslmode=bogus":            "sslmode is invalid",
		"postgres://bob@ADDR/app?sslmode=bogus&pass%77ord=Tr0ub4dor": "sslmode is invalid",
		"postgres://bob:Tr0ub4dor@ADDR/app?connect_timeout=x":        "connect_timeout",
		"postgres:bob:Tr0ub4dor@ADDR/app":                            "slashes of postgres://",
		"mysql://bob:Tr0ub4dor@ADDR/app":                             "can't reach MySQL at ADDR",
		"mariadb://bob:Tr0ub4dor@ADDR/app?parseTime=true":            "can't reach MySQL at ADDR",
		"mysql://bob:Tr0ub4dor@/app?socket=/nonexistent/my.sock":     "can't reach MySQL at /nonexistent/my.sock",
		"mysql://bob:Tr0ub4dor@ADDR/app?tls=bogus":                   "bogus",
		"mysql://bob:Tr0ub4dor%zz@ADDR/app":                          garbled,
		"mysql://bob:Tr0ub/4dor@ADDR/app":                            garbled,
		"mysql://bob:Tr0ub4dor@127.0.0.1:port/app":                   garbled,
		"bob:Tr0ub4dor@tcp(ADDR)/app":                                "must begin with postgres://",
		"host=h user=bob password=Tr0ub4dor":                         "must begin with postgres://",
		"Tr0ub4dor":                                                  "must begin with postgres://",
		"oracle://bob:Tr0ub4dor@ADDR/app":                            `unknown scheme "oracle"`,
		"sqlite://bob:Tr0ub4dor@ADDR/app":                            "three slashes",
		"sqlite::memory:":                                            "in memory",
		"sqlite:x.db?mode=memory":                                    "in memory",
		"sqlite:x.db?mode=ro":                                        "take mode out",
		"sqlite:file:x.db?_pragma=journal_mode(WAL)":                 "take file: out",
		"sqlite:":        "names no file",
		"sqlite:100%.db": "%25",
		"sqlite:" + filepath.Join(t.TempDir(), "no", "such", "folder.db"): "can't open",
	} {
		url, text = strings.ReplaceAll(url, "ADDR", at), strings.ReplaceAll(text, "ADDR", at)
		byVariable := run(t, url, "migrate", "up", "--timeout", "20s")
		code := exitUsage
		if strings.HasPrefix(text, "can't") {
			code = exitFailure // the URL is right
		}
		byVariable.wantError(t, code, text)
		if code == exitUsage && strings.Count(byVariable.err, "\n") != 1 {
			t.Errorf("%s: more than a line: %s", url, byVariable.err)
		}
		if strings.Contains(byVariable.err, password) || strings.Contains(byVariable.err, "4dor") {
			t.Errorf("%s: the password is in %s", url, byVariable.err)
		}
		if byFlag := run(t, "", "--database-url", url, "migrate", "up", "--timeout", "20s"); byFlag != byVariable {
			t.Errorf("%s: by the flag\n%+v\nby the variable\n%+v", url, byFlag, byVariable)
		}
	}
}

// People paste URLs in the wrong place.
func TestArgumentsWithPasswords(t *testing.T) {
	for _, args := range [][]string{
		{"postgres://bob:Tr0ub4dor@h/db"},
		{"migrate", "postgres://bob:Tr0ub 4dor@h/db"},
		{"migrate", "up", "bob:Tr0ub4dor@tcp(h)/db"},
		{"migrate", "down", "postgres://h/db?password=Tr0ub4dor"},
		{"migrate", "force", "mysql://bob:Tr0ub4dor@h/db"},
		{"migrate", "up", "--url=postgres://bob:Tr0ub4dor@h/db"},
		{"migrate", "up", "-dpostgres://bob:Tr0ub4dor@h/db"},
		{"migrate", "up", "--timeout", "postgres://bob:Tr0ub4dor@h/db"},
		{"migrate", "print", "--dialect", "postgres://bob:Tr0ub4dor@h/db"},
		{"migrate", "print", "--dialect", "postgres", "--table", "postgres://bob:Tr0ub4dor@h/db"},
		{"migrate", "status", "--database-url", "sqlite:none.db", "--table", "postgres://bob:Tr0ub4dor@h/db"},
		{"cleanup", "mysql://bob:Tr0ub4dor@h/db"},
		{"completion", "mysql://bob:Tr0ub4dor@h/db"},
		{"help", "mysql://bob:Tr0ub4dor@h/db"},
		{"version", "mysql://bob:Tr0ub4dor@h/db"},
	} {
		if r := run(t, "", args...); r.code != exitUsage || strings.Contains(r.out+r.err, "4dor") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// A parameter that SQLite or its driver does not take is found before there is a file.
func TestMigrateUpThatFailsLeavesNoFile(t *testing.T) {
	for _, query := range []string{
		"_pragma=foo(", "_pragma=user_version(x", "_txlock=bogus", "_time_format=bogus", "vfs=nope", "cache=bogus", "_pragma=query_only(1)",
	} {
		path, url := newFile(t)
		if r := run(t, url+"?"+query, "migrate", "up"); r.code != exitFailure || r.out != "" {
			t.Errorf("%s: %+v", query, r)
		}
		if files, err := filepath.Glob(path + "*"); err != nil || len(files) > 0 {
			t.Errorf("%s: it left %v, %v", query, files, err)
		}
	}
}

func TestSQLiteFilesThatFail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text.db")
	check(t, os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600))
	run(t, "sqlite://"+path, "migrate", "status").wantError(t, exitFailure, path+" is not a SQLite database")
	run(t, "sqlite:"+t.TempDir(), "migrate", "status").wantError(t, exitFailure, "can't open")

	db, url := migrated(t)
	conn, err := db.Conn(t.Context())
	check(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	check(t, err)
	for _, args := range [][]string{{"migrate", "up"}, {"migrate", "force", "2"}, {"cleanup", "--once"}} {
		run(t, url, append(args, "--timeout", "200ms")...).wantError(t, exitFailure, "is locked")
	}
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	check(t, err)
	// --timeout is what SQLite itself waits at the most: it looks at no clock of ours.
	for parameters, want := range map[string]int{
		"": 2000, "?_pragma=busy_timeout(60000)": 2000, "?_pragma=BUSY_TIMEOUT=1500": 1500, "?_pragma=foreign_keys(1)": 2000,
	} {
		opened, err := target.Options{URL: url + parameters, Table: "sessions", Timeout: 2 * time.Second}.Open(t.Context(), target.Job{})
		check(t, err)
		if millis := query[int](t, opened.DB, "PRAGMA busy_timeout"); millis != want {
			t.Errorf("%s: SQLite waits %d ms, want %d", parameters, millis, want)
		}
		check(t, opened.DB.Close())
	}
	_, err = conn.ExecContext(t.Context(), "ALTER TABLE sessions RENAME COLUMN reap_after TO reap")
	check(t, err)
	run(t, url, "cleanup", "--once").wantError(t, exitFailure, "columns do not fit", "reap_after")
}
