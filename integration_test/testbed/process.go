package testbed

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// processVariable is an environment variable that makes the test binary another process of
// the application. Its value is a backend, a table, and where the database is.
const processVariable = "SESSIONS_TEST_PROCESS"

// outsideOfTests is enough of a testing.TB to open a database.
type outsideOfTests struct {
	testing.TB
	ended []func()
}

func (*outsideOfTests) Helper()                  {}
func (*outsideOfTests) Context() context.Context { return context.Background() }
func (o *outsideOfTests) Cleanup(f func())       { o.ended = append(o.ended, f) }
func (*outsideOfTests) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

// serveProcess serves the tests' application until its standard input ends.
func serveProcess(value string) int {
	var backend int
	var name, address string
	if _, err := fmt.Sscanf(value, "%d %s %s", &backend, &name, &address); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	t, b := &outsideOfTests{}, Backends[backend]
	if b.Dialect == migrations.SQLite {
		b = dsnBackend(address)
	}
	c := b.ConnectTo(t, address)
	defer c.Close()
	a := &App{Table: &Table{Conns: c, Name: name, Store: c.OpenStore(t, name)}}
	if err := a.serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// DieAfter is the header of a request to another process after as many of whose statements
// the process kills itself.
const DieAfter = "Die-After"

func (a *App) serve() (err error) {
	a.Manager, err = sessions.New(a.Store, sessions.Options{
		Secrets: [][]byte{Secret},
		Cookie:  sessions.CookieOptions{Secure: sessions.SecureAuto},
		Timeout: 20 * time.Second,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	mux := a.mux()
	mux.HandleFunc("/sweep", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = (&sessions.Reaper{Store: a.Store, NoRest: true}).Sweep(r.Context())
	})
	mux.HandleFunc("/migrate", func(_ http.ResponseWriter, r *http.Request) {
		if m, err := migrator.New(a.DB, a.Dialect, migrator.Options{Table: r.FormValue("table")}); err == nil {
			_, _ = m.Up(r.Context())
		}
	})
	handler := a.Manager.Handler(mux)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := strconv.ParseInt(r.Header.Get(DieAfter), 10, 64); err == nil {
			a.Statements.DieAfter(n)
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	fmt.Println(server.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// OtherProcess starts a second process with the application on the same SQLite table. It ends
// with the test.
func (tab *Table) OtherProcess(t *testing.T, dsn string) *App {
	t.Helper()
	p := tab.Process(t, SQLite, dsn)
	t.Cleanup(func() {
		if err := p.End(); err != nil {
			t.Errorf("the other process: %v\n%s", err, p.stderr.String())
		}
	})
	return p.App
}

// A Process is another process of the application.
type Process struct {
	*App
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr LockedBuffer
}

// Process starts another process with the application on the same table, which a backend of
// [Backends] reaches at the address.
func (tab *Table) Process(t *testing.T, backend int, address string) *Process {
	t.Helper()
	binary, err := os.Executable()
	Check(t, err)
	p := &Process{cmd: exec.Command(binary)}
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), fmt.Sprintf("%s=%d %s %s", processVariable, backend, tab.Name, address)), &p.stderr
	p.stdin, err = p.cmd.StdinPipe()
	Check(t, err)
	stdout, err := p.cmd.StdoutPipe()
	Check(t, err)
	Check(t, p.cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = p.Kill()
		t.Fatalf("the other process gave no address: %v\n%s", err, p.stderr.String())
	}
	p.App = &App{Server: &httptest.Server{URL: strings.TrimSpace(line)}}
	return p
}

// End lets the process end, and returns how it did.
func (p *Process) End() error {
	_ = p.stdin.Close()
	return p.cmd.Wait()
}

// Kill kills the process, and returns when it is gone.
func (p *Process) Kill() error {
	err := p.cmd.Process.Kill()
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // "signal: killed"
	return err
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
	return dsnBackend(dsn).Connect(t)
}

func dsnBackend(dsn string) Backend {
	return Backend{"sqlite", migrations.SQLite, func(t testing.TB, c *Conns) {
		plain, err := sql.Open("sqlite", "")
		Check(t, err)
		defer plain.Close()
		c.openDB(byName{plain.Driver(), dsn})
	}}
}
