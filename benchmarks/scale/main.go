// Command scale measures what grows with the number of sessions: touches, the table's size under
// churn, what a row costs, reaping, and loads from a large table.
//
//	go run ./scale -short
//
// It starts the servers itself, with full durability, unless -postgres and -mysql name others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/integration_test/servers"
)

func main() { bench.Main(run) }

type measurement struct {
	name         string
	postgresOnly bool
	run          func(context.Context, *scale) error
}

var measurements = []measurement{
	{"touches", false, touches},
	{"row", false, row},
	{"hot", true, hot},
	{"churn", false, churn},
	{"reap", false, reap},
	{"backlog", false, backlog},
	{"rows", false, loads},
}

// A scale is a server to measure on, and what to measure.
type scale struct {
	server *bench.Server
	short  bool
	rate   float64
	name   string // of the measurement
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	addresses := bench.Addresses{}
	addresses.Flags(flags)
	short := flags.Bool("short", false, "fewer rows and shorter rounds: under four minutes")
	rate := flags.Float64("rate", 500, "requests a second beside the reaper, and sessions created a second, for row")
	only := flags.String("only", "touches,row,hot,churn,reap,backlog,rows", "`names` with commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	names := strings.Split(*only, ",")
	for _, name := range names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("scale: there is no measurement %q", name)
		}
	}
	extra := func(engine servers.Engine) []string {
		cache := "2G"
		if !*short && slices.Contains(names, "rows") {
			cache = "8G" // a large table has to fit in, with its indexes
		}
		if engine == servers.PostgreSQL {
			return []string{"-c", "shared_buffers=" + cache + "B"}
		}
		return []string{"--innodb-buffer-pool-size=" + cache, "--innodb-log-file-size=2G"}
	}
	return addresses.Each(ctx, os.Stderr, extra, func(server *bench.Server) error {
		s := &scale{server: server, short: *short, rate: *rate}
		settings, err := server.Settings(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("# %s: %s\n", server.Title(), strings.Join(settings, ", "))
		if s.short {
			fmt.Println("# a short run only shows that the measurements work: its tables are too small")
		}
		for _, m := range measurements {
			if s.name = m.name; !slices.Contains(names, m.name) || m.postgresOnly && !server.Postgres() {
				continue
			}
			begin := time.Now()
			if err := m.run(ctx, s); err != nil {
				return fmt.Errorf("scale: %s: %w", m.name, err)
			}
			s.progressf("took %s", time.Since(begin).Round(time.Second))
		}
		return nil
	})
}

// size returns n for a full run, and a smaller number for a short one.
func (s *scale) size(n, short int) int {
	if s.short {
		return short
	}
	return n
}

// progressf says on the side what takes long.
func (s *scale) progressf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %s %s: %s\n", time.Now().Format(time.TimeOnly), s.server.Title(), s.name, fmt.Sprintf(format, args...))
}

// detailf prints a number that has no target.
func (s *scale) detailf(format string, args ...any) {
	fmt.Printf("%s, %s: %s\n", s.name, s.server.Title(), fmt.Sprintf(format, args...))
}

// resultf prints a number with its target, and the load of the machine, which others may use too.
func (s *scale) resultf(met bool, wanted, format string, args ...any) {
	load, _ := os.ReadFile("/proc/loadavg")
	s.detailf("%s (wanted %s: %s; load of the machine %.5s)", fmt.Sprintf(format, args...), wanted,
		map[bool]string{true: "met", false: "MISSED"}[met], load)
}

// with runs a measurement on a new table. Commits on a loose one do not wait for the disk, for
// measurements in which only what they leave in the table counts.
func (s *scale) with(ctx context.Context, loose bool, measure func(*table) error) (err error) {
	d, err := s.server.Database(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	t := &table{Database: d, scale: s}
	if loose && d.Postgres() {
		if _, err := t.exec(ctx, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$"); err != nil {
			return err
		}
	}
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	if t.store, err = d.Store(ctx, false); err != nil {
		return err
	}
	return measure(t)
}
