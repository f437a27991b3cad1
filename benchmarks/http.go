package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/integration_test/servers"
)

// A contender in another language can't be driven in process. It is measured over HTTP on loopback,
// beside statements by hand and this library in processes of their own.

// errMissing means that a contender needs something that is not on this machine.
var errMissing = errors.New("benchmarks: not here")

const (
	serveVariable    = "SESSIONS_BENCHMARK_SERVE" // the contender that a child process serves
	databaseVariable = "SESSIONS_BENCHMARK_DATABASE"
)

// openChild serves a contender from another process of this program.
func openChild(name string) opener {
	return func(ctx context.Context, d *bench.Database) (http.Handler, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), serveVariable+"="+name, databaseVariable+"="+d.URL)
		return openRemote(d, cmd)
	}
}

func openNode(ctx context.Context, d *bench.Database) (http.Handler, error) {
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
	cmd.Env = append(os.Environ(), "NODE_ENV=production", databaseVariable+"="+d.URL)
	return openRemote(d, cmd)
}

// openRemote starts a program that prints the address it serves and ends with its standard input.
func openRemote(d *bench.Database, cmd *exec.Cmd) (http.Handler, error) {
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
	d.AtEnd(func() error { return errors.Join(stdin.Close(), cmd.Wait()) })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("benchmarks: %s printed no address: %w", filepath.Base(cmd.Path), err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	d.AtEnd(func() error { transport.CloseIdleConnections(); return nil })
	return remote(strings.TrimSpace(line), transport), nil
}

// remote sends requests on to a process.
func remote(address string, transport http.RoundTripper) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Cookies are for localhost, to which Secure ones may be sent without TLS.
		out := &http.Request{URL: &url.URL{Scheme: "http", Host: address, Path: r.URL.Path}, Host: "localhost", Header: r.Header}
		response, err := transport.RoundTrip(out.WithContext(r.Context()))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = response.Body.Close() }()
		w.Header()["Set-Cookie"] = response.Header["Set-Cookie"]
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}
}

// serve is the other side of openChild. It returns when standard input ends.
func serve(ctx context.Context, name string) (err error) {
	all := contenders()
	c := all[slices.IndexFunc(all, func(c contender) bool { return c.name == name })]
	d := &bench.Database{Server: &bench.Server{Engine: servers.PostgreSQL}, URL: os.Getenv(databaseVariable)}
	defer func() { err = errors.Join(err, d.Close()) }()
	handler, err := c.open(ctx, d)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
