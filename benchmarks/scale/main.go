// Command scale measures what grows with the number of sessions: touching, the table's size under
// churn, what a row costs, reaping a backlog, and loads from a large table.
//
//	go run ./scale -short
//
// The servers are started here, with full durability, unless -postgres and -mysql name others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A measurement is one of the command's parts.
type measurement struct {
	name    string
	engines []servers.Engine
	run     func(context.Context, *bench) error
}

var both = []servers.Engine{servers.PostgreSQL, servers.MySQL}

func measurements() []measurement {
	return []measurement{
		{"touches", both, touches},
		{"row", both, row},
		{"hot", []servers.Engine{servers.PostgreSQL}, hot},
		{"churn", both, churn},
		{"reap", both, reap},
		{"backlog", both, backlog},
		{"snapshot", both, snapshot},
		{"rows", both, loads},
	}
}

// A plan is what to measure, and on what.
type plan struct {
	short     bool
	only      []string
	rate      float64 // requests a second of the foreground, for reap
	rows      int     // of the large table
	scattered bool    // rows that end together are on different pages, for reap
	batch     int     // rows the reaper deletes at once, 0 for its default
	where     map[servers.Engine]string
	against   string   // another build of this command, or ""
	times     int      // how often each measurement runs
	args      []string // of the command
}

func parse(args []string, log io.Writer) (*plan, error) {
	p := &plan{args: args}
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.BoolVar(&p.short, "short", false, "fewer rows and shorter rounds: under four minutes")
	postgres := flags.String("postgres", local, "`URL` of a server, \""+local+"\" to start one, \""+none+"\" for none")
	mysql := flags.String("mysql", local, "likewise, for MySQL or MariaDB")
	only := flags.String("only", "", "`names` with commas: touches, row, hot, churn, reap, backlog, snapshot, rows (default all)")
	flags.Float64Var(&p.rate, "rate", 500, "requests a second beside the reaper, and sessions created a second, for row")
	flags.IntVar(&p.batch, "batch", 0, "rows of the reaper's batches, for reap (default the library's)")
	flags.BoolVar(&p.scattered, "scattered", false, "for reap: rows that end together are on different pages")
	flags.IntVar(&p.rows, "rows", 0, "rows of the large table (default 10000000, short 1000000)")
	flags.StringVar(&p.against, "against", "", "another build of this `program`, say of an earlier version, to take turns with on the same server")
	flags.IntVar(&p.times, "times", 1, "how often each measurement runs, in turn with -against")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	p.where = map[servers.Engine]string{servers.PostgreSQL: *postgres, servers.MySQL: *mysql}
	if p.rows == 0 {
		p.rows = 10_000_000
		if p.short {
			p.rows = 1_000_000
		}
	}
	if *only != "" {
		p.only = strings.Split(*only, ",")
	}
	for _, name := range p.only {
		if !slices.ContainsFunc(measurements(), func(m measurement) bool { return m.name == name }) {
			return nil, fmt.Errorf("scale: there is no measurement %q", name)
		}
	}
	return p, nil
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	p, err := parse(args, log)
	if err != nil {
		return err
	}
	for _, engine := range both {
		if p.where[engine] == none {
			continue
		}
		if err := p.measure(ctx, engine, out, log); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) measure(ctx context.Context, engine servers.Engine, out, log io.Writer) (err error) {
	b, err := open(ctx, p, engine, out, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	settings, err := b.settings(ctx)
	if err != nil {
		return err
	}
	b.printf("# %s: %s", b.product, settings)
	if p.short {
		b.printf("# a short run shows that the measurements work; its tables are too small for its verdicts to count")
	}
	for _, m := range measurements() {
		if !p.wants(m.name) || !slices.Contains(m.engines, engine) {
			continue
		}
		b.name = m.name
		for range p.times {
			b.progressf("begins")
			start := time.Now()
			if err := m.run(ctx, b); err != nil {
				return fmt.Errorf("scale: %s: %s: %w", b.product, m.name, err)
			}
			b.progressf("took %s; load of the machine %s", time.Since(start).Round(time.Second), load())
			if err := b.other(ctx); err != nil {
				return fmt.Errorf("scale: %s: %s: %s: %w", p.against, b.product, m.name, err)
			}
		}
	}
	return nil
}

// other has the other build do the same measurement, and marks its lines.
func (b *bench) other(ctx context.Context) error {
	if b.against == "" {
		return nil
	}
	where := map[servers.Engine]string{servers.PostgreSQL: none, servers.MySQL: none}
	where[b.engine] = b.url
	// Of a flag that is given twice the last one counts.
	cmd := exec.CommandContext(ctx, b.against, append(slices.Clone(b.args), "-against=", "-times=1", "-only="+b.name,
		"-postgres="+where[servers.PostgreSQL], "-mysql="+where[servers.MySQL])...)
	cmd.Stderr = b.log
	text, err := cmd.Output()
	for line := range strings.Lines(string(text)) {
		b.printf("against: %s", strings.TrimRight(line, "\n"))
	}
	return err
}

func (p *plan) wants(name string) bool { return len(p.only) == 0 || slices.Contains(p.only, name) }

// load is the machine's load average, since others may use it too.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}
