package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// What is written in another language can't be driven in process. So it is measured over
// HTTP on loopback, beside the hand-written statements and this library in processes
// of their own, over HTTP too.
func httpContenders() []contender {
	return []contender{
		{
			name: "http-hand", engines: postgres, hand: "http-hand", apart: true, open: openChild("hand"),
			about: "hand in a process of its own, over HTTP on loopback: the measure of the other two",
		},
		{
			name: "http-sessions", engines: postgres, hand: "http-hand", apart: true, open: openChild("sessions"),
			about: "sessions in a process of its own, over HTTP on loopback",
		},
		{
			name: "http-express", engines: postgres, hand: "http-hand", apart: true, open: openNode,
			about: "express 5.3.0, express-session 1.19.0, connect-pg-simple 10.0.0 and pg in one Node process, as one starts it; Go uses all processors",
			less:  "the id itself is in the table, parallel changes are lost, no absolute timeout, and each read moves the expiry (it has no throttle)",
		},
	}
}

// errMissing: a contender needs something that is not on this machine.
var errMissing = errors.New("benchmarks: not here")

const (
	serveVariable    = "SESSIONS_BENCHMARK_SERVE" // the contender that a child process serves
	engineVariable   = "SESSIONS_BENCHMARK_ENGINE"
	databaseVariable = "SESSIONS_BENCHMARK_DATABASE"
)

// openChild serves a contender from another process of this program.
func openChild(name string) func(context.Context, *env) (http.Handler, error) {
	return func(ctx context.Context, e *env) (http.Handler, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), serveVariable+"="+name, engineVariable+"="+string(e.wire.engine), databaseVariable+"="+e.url)
		return openRemote(e, cmd)
	}
}

func openNode(ctx context.Context, e *env) (http.Handler, error) {
	const dir = "node"
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: %w", errMissing, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "connect-pg-simple")); err != nil {
		install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
		install.Dir = dir
		if output, err := install.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: npm ci: %w\n%s", errMissing, err, output)
		}
	}
	cmd := exec.CommandContext(ctx, "node", "app.js")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NODE_ENV=production", databaseVariable+"="+e.url)
	return openRemote(e, cmd)
}

// openRemote starts a program that prints the address it serves and ends with its standard input.
func openRemote(e *env, cmd *exec.Cmd) (http.Handler, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e.atEnd(func() error { return errors.Join(stdin.Close(), cmd.Wait()) })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("benchmarks: %s said no address: %w", filepath.Base(cmd.Path), err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	e.atEnd(func() error { transport.CloseIdleConnections(); return nil })
	return &remote{strings.TrimSpace(line), transport}, nil
}

// A remote passes requests on, so that whoever drives handlers need not know.
type remote struct {
	address   string
	transport *http.Transport
}

func (c *remote) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Cookies are for localhost, where Secure ones may be sent without TLS.
	out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+c.address+r.URL.Path, nil)
	if failed(w, err) {
		return
	}
	out.Host, out.Header = "localhost", r.Header
	answer, err := c.transport.RoundTrip(out)
	if failed(w, err) {
		return
	}
	defer func() { _ = answer.Body.Close() }()
	for _, line := range answer.Header["Set-Cookie"] {
		w.Header().Add("Set-Cookie", line)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// serve is the other side of openChild. It returns when in ends.
func serve(ctx context.Context, name string, in io.Reader, out io.Writer) (err error) {
	e := &env{url: os.Getenv(databaseVariable), wire: &wire{engine: servers.Engine(os.Getenv(engineVariable))}}
	defer func() { err = errors.Join(err, e.close()) }()
	for _, c := range contenders() {
		if c.name != name {
			continue
		}
		handler, err := c.open(ctx, e)
		if err != nil {
			return err
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		go func() {
			_, _ = io.Copy(io.Discard, in)
			_ = server.Close()
		}()
		if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
			return err
		}
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	return fmt.Errorf("benchmarks: no contender %q", name)
}
