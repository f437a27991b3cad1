package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// local is a throwaway instance of server binaries on this machine.
type local struct {
	dir     string // everything it has on disk
	server  command
	signals []os.Signal // what stop sends, mildest first
	process *process    // nil before the first start
}

// newLocal makes the directory of an instance and finds its port. The caller
// completes the server command, and removes the instance when it can't.
func newLocal(ctx context.Context, engine Engine, runAs *account, signals ...os.Signal) (l *local, port int, err error) {
	if port, err = freePort(ctx); err != nil {
		return nil, 0, err
	}
	dir, err := makeDir(engine, runAs)
	if err != nil {
		return nil, 0, err
	}
	// On the test's death the server gets what removes it: its data is of no use then.
	server := command{dir: dir, logFile: filepath.Join(dir, "server.log"), runAs: runAs, death: signals[1]}
	return &local{dir: dir, server: server, signals: signals}, port, nil
}

// writeFile writes a file for the account into the instance's directory.
func (l *local) writeFile(name, content string) (path string, err error) {
	path = filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", err
	}
	return path, l.server.runAs.own(path)
}

func (l *local) start(context.Context) error {
	p, err := l.server.launch()
	if err != nil {
		return err
	}
	l.process = p
	return nil
}

func (l *local) alive() error { return l.process.alive() }

func (l *local) stop(ctx context.Context) error { return l.process.end(ctx, l.signals...) }

func (l *local) remove() error {
	var err error
	if l.process != nil {
		// Nobody needs the data any more, so the mildest signal is left out.
		err = l.process.end(context.Background(), l.signals[1:]...)
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// findBinaries returns the directory of the engine's server binaries.
func findBinaries(engine Engine) (string, error) {
	if engine == PostgreSQL {
		return findPostgres()
	}
	return findMySQL()
}

// has reports whether the directory has a file of each of the names.
func has(dir string, names ...string) bool {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// makeDir makes the directory of an instance for its account.
func makeDir(engine Engine, runAs *account) (string, error) {
	parent := os.TempDir()
	if runAs != nil && !openToAll(parent) {
		parent = "/tmp" // TMPDIR may be in root's home, where no other user gets to
	}
	dir, err := os.MkdirTemp(parent, "sessions-"+string(engine)+"-")
	if err != nil {
		return "", err
	}
	if err := runAs.own(dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// openToAll reports whether every user can get to what is in the directory.
func openToAll(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// freePort finds a port of 127.0.0.1 nobody listens on. It is below the range
// systems take for outgoing connections, so that none of these gets it while
// the server is stopped.
func freePort(ctx context.Context) (int, error) {
	var last error
	for range 50 {
		port := 20000 + rand.IntN(12000)
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address(port))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1: %w", last)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// adminURL is the URL of a server this package starts.
func adminURL(engine Engine, user, password string, port int, database string) string {
	u := url.URL{Scheme: string(engine), User: url.UserPassword(user, password), Host: address(port), Path: "/" + database}
	if engine == PostgreSQL {
		u.RawQuery = "sslmode=disable" // or PGSSLMODE of the environment would count
	}
	return u.String()
}
