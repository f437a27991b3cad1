package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Replicas are a PostgreSQL primary and a standby that streams from it, both
// throwaway instances of this machine's binaries on 127.0.0.1.
type Replicas struct{ Primary, Standby *Server }

// standbyName is what the standby calls itself to the primary.
const standbyName = "standby"

// StartReplicas starts both, with asynchronous replication. The caller must
// [Replicas.Close] them. Lines that say what is being installed go to log.
func StartReplicas(ctx context.Context, log io.Writer) (*Replicas, error) {
	binDir, err := newFinder(log).localBinaries(ctx, PostgreSQL)
	if err != nil {
		return nil, fmt.Errorf("servers: no PostgreSQL with a standby here: %w\ninstall the package %s", err, debianPackage(PostgreSQL))
	}
	r := &Replicas{}
	if r.Primary, err = startLocalPostgres(ctx, binDir); err == nil {
		r.Standby, err = startStandby(ctx, binDir, r.Primary)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("servers: PostgreSQL with a standby: %w", err), r.Close())
	}
	return r, nil
}

func startStandby(ctx context.Context, binDir string, primary *Server) (*Server, error) {
	from, err := url.Parse(primary.URL())
	if err != nil {
		return nil, err
	}
	runAs, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	inst, port, err := newLocal(ctx, PostgreSQL, runAs, syscall.SIGINT, syscall.SIGQUIT, os.Kill)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(inst.dir, "data")
	inst.runPostgres(binDir, data, port)
	inst.server.args = append(inst.server.args, "-c", "cluster_name="+standbyName)
	backup := inst.server
	backup.path = filepath.Join(binDir, "pg_basebackup")
	// -R writes down that this is a standby, and of whom.
	backup.args = []string{"-D", data, "-R", "-c", "fast", "--no-sync", "-d", primary.URL()}
	if err := backup.run(ctx); err != nil {
		return nil, errors.Join(err, inst.remove())
	}
	password, _ := from.User.Password()
	return newOwned(ctx, PostgreSQL, adminURL(PostgreSQL, adminUser, password, port, "postgres"), "local binaries "+binDir, inst)
}

// URL returns the address of a database for a client that looks for whichever
// of the two is the primary.
func (r *Replicas) URL(database string) (string, error) {
	primary, err := url.Parse(r.Primary.URL())
	if err != nil {
		return "", err
	}
	standby, err := url.Parse(r.Standby.URL())
	if err != nil {
		return "", err
	}
	primary.Host += "," + standby.Host
	primary.Path = "/" + database
	primary.RawQuery += "&target_session_attrs=read-write"
	return primary.String(), nil
}

// Synchronous makes the primary answer a commit when the standby has it on
// disk too, and returns when that holds.
func (r *Replicas) Synchronous(ctx context.Context) error {
	return errors.Join(
		r.Primary.exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = '"+standbyName+"'"),
		r.Primary.exec(ctx, "SELECT pg_reload_conf()"),
		r.Primary.await(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "1"),
	)
}

// Detach makes the standby leave the primary, as if the network between them
// were cut, and returns when it gets nothing any more.
func (r *Replicas) Detach(ctx context.Context) error {
	return errors.Join(
		r.Standby.exec(ctx, "ALTER SYSTEM SET primary_conninfo = ''"),
		r.Standby.exec(ctx, "SELECT pg_reload_conf()"),
		r.Standby.await(ctx, "SELECT count(*) FROM pg_stat_wal_receiver", "0"),
	)
}

// Promote makes a primary of the standby and returns when it is one.
func (r *Replicas) Promote(ctx context.Context) error {
	return r.Standby.await(ctx, "SELECT pg_promote()", "true")
}

// Close ends both and removes their files.
func (r *Replicas) Close() error {
	var errs []error
	for _, s := range []*Server{r.Standby, r.Primary} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// Kill ends the server without a word to its clients or its data, and returns
// when it is gone. [Server.Close] is still to be called.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.inst.(*local)
	if !ok {
		return fmt.Errorf("servers: a %s server of %s can't be killed", s.engine, s.source)
	}
	s.running = false
	// The signal that l.remove begins with: PostgreSQL's own "immediate" stop, which also ends the
	// processes that serve clients, and a plain kill for the others.
	return l.process.end(context.Background(), l.signals[1:]...)
}

// await asks until the answer, one value as text, is the one wanted.
func (s *Server) await(ctx context.Context, query, want string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	db, err := open(s.engine, s.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var got string
		err := db.QueryRowContext(ctx, query).Scan(&got)
		if err == nil && strings.EqualFold(got, want) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %q instead of %q: %w", query, got, want, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}
