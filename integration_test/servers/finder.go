package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// sourceVariable names the only source that is good enough, where one is: a
// test of a certain server version must not go on with another server.
const (
	sourceVariable = "SESSIONS_TEST_SOURCE"
	sourceDocker   = "docker"
)

// finder tries the ways to a server. Its fields are the ways, so that a test
// can take some of them away.
type finder struct {
	log      io.Writer
	source   string   // sourceDocker, or "" for any
	args     []string // of the server, after those that it gets anyway
	docker   func(context.Context, Engine, io.Writer) (*Server, error)
	binaries func(Engine) (dir string, err error)
	install  func(context.Context, Engine, io.Writer) error
}

func newFinder(log io.Writer, args ...string) *finder {
	return &finder{
		log: log, source: os.Getenv(sourceVariable), args: args,
		docker: func(ctx context.Context, engine Engine, log io.Writer) (*Server, error) {
			return startDocker(ctx, engine, log, args...)
		},
		binaries: findBinaries, install: aptInstall,
	}
}

func (f *finder) start(ctx context.Context, engine Engine) (*Server, error) {
	if f.source != "" && !strings.HasPrefix(os.Getenv(sourceOf(engine)), f.source+" ") {
		if os.Getenv(urlVariable(engine)) != "" {
			return nil, fmt.Errorf("servers: %s=%s excludes the server of %s", sourceVariable, f.source, urlVariable(engine))
		}
		return f.startOwned(ctx, engine)
	}
	s, err := fromEnvironment(ctx, engine)
	if err != nil {
		return nil, err
	}
	if s != nil {
		f.chosen(s)
		return s, nil
	}
	s, err = f.startOwned(ctx, engine)
	if err != nil {
		return nil, fmt.Errorf("%w\nor set %s to the URL of a server", err, urlVariable(engine))
	}
	return s, nil
}

func (f *finder) startOwned(ctx context.Context, engine Engine) (*Server, error) {
	if engine != PostgreSQL && engine != MySQL {
		return nil, fmt.Errorf("servers: unknown engine %q", engine)
	}
	if f.source != "" && f.source != sourceDocker {
		return nil, fmt.Errorf("servers: %s=%q: the only source that can be asked for is %q", sourceVariable, f.source, sourceDocker)
	}
	s, dockerErr := f.docker(ctx, engine, f.log)
	if dockerErr == nil {
		f.chosen(s)
		return s, nil
	}
	if f.source == sourceDocker {
		return nil, fmt.Errorf("servers: no %s server from Docker, and %s=%s excludes any other: %w", engine, sourceVariable, sourceDocker, dockerErr)
	}
	// Logged even though the next way may work: those who have Docker want to know.
	_, _ = fmt.Fprintf(f.log, "servers: %s: not from Docker: %v\n", engine, dockerErr)
	s, localErr := f.startLocal(ctx, engine)
	if localErr == nil {
		f.chosen(s)
		return s, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("servers: start %s: %w", engine, errors.Join(err, dockerErr, localErr))
	}
	return nil, fmt.Errorf("servers: no %s server here. Tried:\n  docker: %w\n  local: %w\n"+
		"Start Docker (or pull %s), or install the package %s",
		engine, dockerErr, localErr, image(engine), debianPackage(engine))
}

// startLocal starts the server binaries of this machine.
func (f *finder) startLocal(ctx context.Context, engine Engine) (*Server, error) {
	dir, err := f.localBinaries(ctx, engine)
	if err != nil {
		return nil, err
	}
	if engine == PostgreSQL {
		return startLocalPostgres(ctx, dir, f.args...)
	}
	return startLocalMySQL(ctx, dir, f.args...)
}

// localBinaries returns the directory of the server binaries of this machine,
// which it installs where they are missing.
func (f *finder) localBinaries(ctx context.Context, engine Engine) (dir string, err error) {
	if dir, err = f.binaries(engine); err == nil {
		return dir, nil
	}
	if installErr := f.install(ctx, engine, f.log); installErr != nil {
		return "", fmt.Errorf("%w; apt-get: %w", err, installErr)
	}
	if dir, err = f.binaries(engine); err != nil {
		return "", fmt.Errorf("after apt-get install: %w", err)
	}
	return dir, nil
}

func (f *finder) chosen(s *Server) {
	// A log that can't be written is no reason to have no server.
	_, _ = fmt.Fprintf(f.log, "servers: %s: %s (%s)\n", s.engine, s.version, s.source)
}

func debianPackage(engine Engine) string {
	if engine == PostgreSQL {
		return "postgresql"
	}
	return "mariadb-server"
}
