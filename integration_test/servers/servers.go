// Package servers gives the integration tests real database servers.
//
// A server comes from the first of these that works:
//
//  1. the environment: SESSIONS_TEST_POSTGRES_URL or SESSIONS_TEST_MYSQL_URL
//  2. Docker; SESSIONS_TEST_POSTGRES_IMAGE and SESSIONS_TEST_MYSQL_IMAGE name other images
//  3. server binaries on this machine, run as a throwaway instance on 127.0.0.1
//  4. apt-get (root on Debian or Ubuntu only), then 3
//
// With SESSIONS_TEST_SOURCE=docker only 2 is tried. The command withservers starts the
// servers once for the tests of several packages.
package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Engine is a kind of database server.
type Engine string

const (
	// PostgreSQL is any server that speaks the PostgreSQL protocol and SQL.
	PostgreSQL Engine = "postgres"
	// MySQL is MySQL or MariaDB; [Server.Version] tells which.
	MySQL Engine = "mysql"
)

// startTimeout is how long a server may take from its start to its first
// answered query. Creating the system tables in a container on a busy
// machine takes most of it.
const startTimeout = 90 * time.Second

// Server is a database server for tests. Its methods are safe for concurrent
// use; Stop, Start and Close run one after the other.
type Server struct {
	engine  Engine
	url     string
	source  string
	version string

	mu      sync.Mutex
	inst    instance // nil: a server of the environment
	running bool
	closed  bool
}

// instance is a throwaway server that can be stopped and started again.
type instance interface {
	// start returns once the server is on its way; it may not answer yet.
	start(ctx context.Context) error
	// alive returns why the server ended, or nil while it runs.
	alive() error
	// stop returns once the server has ended.
	stop(ctx context.Context) error
	// remove ends the server, without care for its data, and deletes its files.
	remove() error
}

// Start gives a server of the engine. Lines that say what was chosen and what
// is being installed go to log, which is not used after Start returned.
//
// A server of the environment is used as it is: when it does not answer, that
// is an error and nothing else is tried. Each other call starts a server of
// its own, which the caller must [Server.Close]. Start may take minutes when an
// image is pulled or a package installed. It is safe for concurrent use, in
// one process and in several, as far as log is.
func Start(ctx context.Context, engine Engine, log io.Writer) (*Server, error) {
	return newFinder(log).start(ctx, engine)
}

// StartOwned is like [Start] but never uses the server of the environment: the
// result is a throwaway instance which can be stopped and started.
func StartOwned(ctx context.Context, engine Engine, log io.Writer) (*Server, error) {
	return newFinder(log).startOwned(ctx, engine)
}

// StartWith is like [StartOwned] with more arguments for the server's program. They come
// last, and so replace what this package chose: fast and forgetful settings, good for tests only.
func StartWith(ctx context.Context, engine Engine, log io.Writer, args ...string) (*Server, error) {
	return newFinder(log, args...).startOwned(ctx, engine)
}

// URL returns the address with the administrator's credentials:
// postgres://user:password@host:port/db or mysql://user:password@host:port/db.
// It stays the same over Stop and Start.
func (s *Server) URL() string { return s.url }

// Version returns what the server reports, such as "PostgreSQL 15.18 (Debian
// ...", "MariaDB 10.11.19" or "MySQL 9.7.0".
func (s *Server) Version() string { return s.version }

// Source returns where the server comes from: "docker image NAME" or "local binaries DIR",
// in the process that started it and where [Server.Environ] was handed on, else "environment".
func (s *Server) Source() string { return s.source }

// Owned reports whether the server is a throwaway instance, for which Stop and
// Start are possible.
func (s *Server) Owned() bool { return s.inst != nil }

var errNotOwned = errors.New("servers: the server of the environment cannot be stopped or started")

// Stop ends the server and keeps its data. Clients are disconnected. When it
// returns nil the port refuses connections. It waits at most half a minute, less
// when ctx ends, before it kills the server. It is an error for a server which
// is not [Server.Owned] or is closed, and nothing happens for one already
// stopped.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.controllable(); err != nil || !s.running {
		return err
	}
	if err := s.inst.stop(ctx); err != nil {
		return fmt.Errorf("servers: stop %s: %w", s.engine, err)
	}
	s.running = false
	return nil
}

// Start starts the server again after [Server.Stop], at the same address and
// with the same data, and returns when it answers a query. It waits at most 90
// seconds for that. A server that ended by itself is started too. It is an
// error for a server which is not [Server.Owned] or is closed, and nothing
// happens for one that runs.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.controllable(); err != nil {
		return err
	}
	if s.running && s.inst.alive() == nil {
		return nil
	}
	if _, err := s.bringUp(ctx); err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	return nil
}

// Close ends the server and removes its files. It does nothing for a server of
// the environment and for one already closed.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inst == nil || s.closed {
		return nil
	}
	s.closed, s.running = true, false
	if err := s.inst.remove(); err != nil {
		return fmt.Errorf("servers: close %s: %w", s.engine, err)
	}
	return nil
}

func (s *Server) controllable() error {
	switch {
	case s.inst == nil:
		return errNotOwned
	case s.closed:
		return fmt.Errorf("servers: the %s server is closed", s.engine)
	}
	return nil
}

// bringUp starts the instance and waits for a query, not for the port: a
// published port, and a server still creating its system tables, accept
// connections before they can answer. s.mu is held or s is not shared yet.
func (s *Server) bringUp(ctx context.Context) (version string, err error) {
	s.running = false
	waitCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.inst.start(waitCtx); err != nil {
		return "", fmt.Errorf("start %s: %w", s.engine, err)
	}
	version, err = waitReady(waitCtx, s.engine, s.url, s.inst.alive)
	if err != nil {
		// Stopped, so that running stays true to what runs: a later Start can try again.
		stopErr := s.inst.stop(context.WithoutCancel(ctx))
		return "", errors.Join(fmt.Errorf("start %s: %w", s.engine, err), stopErr)
	}
	s.running = true
	return version, nil
}

// newOwned makes the server of an instance and starts it. On an error nothing
// of the instance is left.
func newOwned(ctx context.Context, engine Engine, url, source string, inst instance) (*Server, error) {
	s := &Server{engine: engine, url: url, source: source, inst: inst}
	version, err := s.bringUp(ctx)
	if err != nil {
		return nil, errors.Join(err, inst.remove())
	}
	s.version = version
	return s, nil
}
