package bench

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// Both are the engines, in the order in which they are measured.
var Both = []servers.Engine{servers.PostgreSQL, servers.MySQL}

// Addresses are the servers to measure on. Without any for an engine, one is started.
type Addresses map[servers.Engine][]string

const local, none = "local", "none"

// Flags declares -postgres and -mysql.
func (a Addresses) Flags(flags *flag.FlagSet) {
	for _, engine := range Both {
		flags.Func(string(engine), `URL of a server, "local" (default) to start one, "none" to leave it out; may be repeated`, func(s string) error {
			a[engine] = append(a[engine], s)
			return nil
		})
	}
}

// Each opens one server after the other. extra gives more arguments for a server that is started.
func (a Addresses) Each(ctx context.Context, log io.Writer, extra func(servers.Engine) []string, measure func(*Server) error) error {
	for _, engine := range Both {
		addresses := a[engine]
		if len(addresses) == 0 {
			addresses = []string{local}
		}
		for _, address := range addresses {
			if address == none {
				continue
			}
			s, err := open(ctx, engine, address, log, extra(engine))
			if err != nil {
				return err
			}
			if err := errors.Join(measure(s), s.Close()); err != nil {
				return fmt.Errorf("%s: %w", s.Title(), err)
			}
		}
	}
	return nil
}

// durable are the arguments of servers that are started here: a commit is on the disk before it is
// answered. Checkpoints are far apart, so that none falls into one contender's turn.
var durable = map[servers.Engine][]string{
	servers.PostgreSQL: {
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on",
		"-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=1h", "-c", "maintenance_work_mem=512MB",
	},
	servers.MySQL: {"--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"},
}

// settings are read back from the server, as proof of the above.
var settings = map[servers.Engine]string{
	servers.PostgreSQL: "fsync synchronous_commit full_page_writes wal_sync_method shared_buffers max_wal_size checkpoint_timeout",
	servers.MySQL:      "innodb_flush_log_at_trx_commit innodb_flush_method innodb_doublewrite log_bin sync_binlog innodb_buffer_pool_size",
}

// A Server is one to measure on.
type Server struct {
	*servers.Server

	Engine servers.Engine
}

func open(ctx context.Context, engine servers.Engine, address string, log io.Writer, extra []string) (*Server, error) {
	var s *servers.Server
	var err error
	if address == local {
		s, err = servers.StartWith(ctx, engine, log, slices.Concat(durable[engine], extra)...)
	} else {
		s, err = servers.At(ctx, engine, address)
	}
	return &Server{s, engine}, err
}

// Title is the product with its version.
func (s *Server) Title() string { return strings.Join(strings.Fields(s.Version())[:2], " ") }

// Product is PostgreSQL, MySQL or MariaDB.
func (s *Server) Product() string { return strings.Fields(s.Version())[0] }

// Postgres tells PostgreSQL from MySQL and MariaDB.
func (s *Server) Postgres() bool { return s.Engine == servers.PostgreSQL }

// Pick returns the text for the server's engine.
func (s *Server) Pick(postgres, mysql string) string {
	if s.Postgres() {
		return postgres
	}
	return mysql
}

// Settings reads back what decides about durability and speed.
func (s *Server) Settings(ctx context.Context) ([]string, error) {
	db, err := s.connect(s.URL(), nil)
	if err != nil {
		return nil, err
	}
	var all []string
	for name := range strings.FieldsSeq(settings[s.Engine]) {
		var value string
		query := "SELECT " + s.Pick("current_setting('"+name+"')", "@@"+name)
		if err = db.QueryRowContext(ctx, query).Scan(&value); err != nil {
			break
		}
		all = append(all, name+"="+value)
	}
	return all, errors.Join(err, db.Close())
}

func (s *Server) connect(address string, dial Dial, options ...Option) (*sql.DB, error) {
	if s.Postgres() {
		return connectPostgres(address, dial)
	}
	return connectMySQL(address, dial, options...)
}

// Machine describes what all of it runs on.
func Machine() string {
	name := "an unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(text), "model name\t: "); ok {
		name, _, _ = strings.Cut(rest, "\n")
	}
	return fmt.Sprintf("%d processors (%s), %s, %s/%s", runtime.NumCPU(), name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
