package testbed

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// sqliteProcess is an environment variable that makes the test binary a second process on a
// SQLite file. Its value is a table and a DSN.
const sqliteProcess = "SESSIONS_TEST_SQLITE_PROCESS"

// serveSQLite serves the tests' application until its standard input ends.
func serveSQLite(tableAndDSN string) int {
	name, dsn, _ := strings.Cut(tableAndDSN, " ")
	db, err := sql.Open("sqlite", dsn)
	if err == nil {
		defer db.Close()
		db.SetMaxOpenConns(poolSize)
		var store *sqlitestore.Store
		if store, err = sqlitestore.New(db).With(sqlitestore.Options{Table: name}); err == nil {
			err = serveStore(store)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveStore(store sessions.Store) error {
	manager, err := sessions.New(store, sessions.Options{
		Secrets: [][]byte{Secret},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
		Timeout: 20 * time.Second,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	a := &App{Manager: manager}
	server := httptest.NewServer(manager.Handler(a.mux()))
	defer server.Close()
	fmt.Println(server.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// OtherProcess starts a second process with the application on the same table. It ends with
// the test.
func (tab *Table) OtherProcess(t *testing.T, dsn string) *App {
	t.Helper()
	binary, err := os.Executable()
	Check(t, err)
	cmd := exec.Command(binary)
	var stderr LockedBuffer
	cmd.Env, cmd.Stderr = append(os.Environ(), sqliteProcess+"="+tab.Name+" "+dsn), &stderr
	stdin, err := cmd.StdinPipe()
	Check(t, err)
	stdout, err := cmd.StdoutPipe()
	Check(t, err)
	Check(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v\n%s", err, stderr.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the other process gave no address: %v\n%s", err, stderr.String())
	}
	return &App{Server: &httptest.Server{URL: strings.TrimSpace(line)}}
}

// OpenFile opens a new SQLite file, with parameters for its DSN.
func OpenFile(t *testing.T, parameters string) (c *Conns, dsn string) {
	t.Helper()
	dsn = "file:" + t.TempDir() + "/sessions.db" + parameters
	return OpenDSN(t, dsn), dsn
}

// OpenDSN opens a SQLite file.
func OpenDSN(t *testing.T, dsn string) *Conns {
	t.Helper()
	b := Backend{"sqlite", migrations.SQLite, func(t testing.TB, c *Conns) {
		plain, err := sql.Open("sqlite", "")
		Check(t, err)
		defer plain.Close()
		c.openDB(byName{plain.Driver(), dsn})
	}}
	return b.Connect(t)
}
