package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// durable are settings under which a server keeps what it has answered for. They are its
// defaults, which the settings for tests have changed.
var durable = map[Engine][]string{
	PostgreSQL: {"-c", "fsync=on", "-c", "full_page_writes=on", "-c", "synchronous_commit=on"},
	MySQL:      {"--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=1"},
}

// StartDurable is like [StartOwned] for a server of this machine's binaries that may crash:
// see [Server.Crash].
func StartDurable(ctx context.Context, engine Engine, log io.Writer) (*Server, error) {
	binDir, err := newFinder(log).localBinaries(ctx, engine)
	if err != nil {
		return nil, fmt.Errorf("servers: no %s here that may crash: %w\ninstall the package %s", engine, err, debianPackage(engine))
	}
	if engine == PostgreSQL {
		return startLocalPostgres(ctx, binDir, durable[engine]...)
	}
	return startLocalMySQL(ctx, binDir, durable[engine]...)
}

// Crash ends all processes of the server with SIGKILL, and returns when they are gone.
// [Server.Start] starts it again.
func (s *Server) Crash(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.inst.(*local)
	if !ok {
		return fmt.Errorf("servers: a %s server of %s can't be crashed", s.engine, s.source)
	}
	s.running = false
	parent := l.process.process.Pid
	processes := childrenOf(parent)
	err := l.process.end(ctx, os.Kill) // it can start no others now
	for _, pid := range append(processes, childrenOf(parent)...) {
		if p, findErr := os.FindProcess(pid); findErr == nil {
			_ = p.Kill()
		}
	}
	return errors.Join(err, gone(ctx, processes))
}

// gone waits until processes have ended. Until then PostgreSQL would not start again.
func gone(ctx context.Context, processes []int) error {
	for _, pid := range processes {
		for running(pid) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}
