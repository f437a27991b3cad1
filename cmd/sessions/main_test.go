package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test binary is also the program under test: with this variable set it
// runs main instead of the tests.
const runMain = "SESSIONS_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A result is what a run of the program left.
type result struct {
	out, err string
	code     int
}

// command returns the program, with nothing of the tester's environment that a
// driver looks at.
func command(t *testing.T, url string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = []string{
		runMain + "=1", "DATABASE_URL=" + url, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
		"GORACE=atexit_sleep_ms=0", // a second at the end of each run, otherwise
	}
	return cmd
}

func run(t *testing.T, url string, args ...string) result {
	t.Helper()
	return finish(t, command(t, url, args...))
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// want fails unless the run ended with this exit code and output.
func (r result) want(t *testing.T, code int, out string) result {
	t.Helper()
	if r.code != code || r.out != out {
		t.Errorf("exit code %d, want %d\nstdout:\n%s\nwant:\n%s\nstderr:\n%s", r.code, code, r.out, out, r.err)
	}
	if code == 0 && r.err != "" {
		t.Errorf("succeeded, and wrote to stderr: %s", r.err)
	}
	return r
}

// wantError fails unless the run failed with one line that has all of texts in it.
func (r result) wantError(t *testing.T, code int, texts ...string) {
	t.Helper()
	line, more, _ := strings.Cut(r.err, "\n")
	if r.code != code || r.out != "" || !strings.HasPrefix(line, "sessions: ") {
		t.Errorf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(line, text) {
			t.Errorf("the error lacks %q: %s", text, line)
		}
	}
	if usage := strings.HasPrefix(more, "usage: sessions"); more != "" && !usage || usage && code != exitUsage {
		t.Errorf("behind the error: %s", more)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newFile returns the path of a SQLite file that does not exist, and its URL.
func newFile(t *testing.T) (path, url string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a b.db") // the blank tests the escaping
	return path, "sqlite:" + path
}

// migrated is newFile with the latest schema in it, and a connection to it.
func migrated(t *testing.T) (db *sql.DB, url string) {
	t.Helper()
	path, url := newFile(t)
	if r := run(t, url, "migrate", "up"); r.code != 0 {
		t.Fatal(r.err)
	}
	return open(t, path), url
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// insert adds n rows that expire after the given time, which is in the past if
// it is negative.
func insert(t *testing.T, db *sql.DB, n int, in time.Duration) {
	t.Helper()
	expiry := time.Now().Add(in).UnixMilli()
	_, err := db.ExecContext(t.Context(), `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?2)
		INSERT INTO sessions (id, verifier, data, version, created_at, seen_at, absolute_expires_at, expires_at, reap_after)
		SELECT randomblob(16), randomblob(32), '{}', 1, ?1, ?1, ?1, ?1, ?1 FROM i`, expiry, n)
	check(t, err)
}

func query[T any](t *testing.T, db *sql.DB, text string) (value T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), text).Scan(&value); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", text, err))
	}
	return value
}

// eventually waits for something that another process is doing.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for a minute: %s", what)
		}
	}
}
