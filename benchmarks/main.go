// Command benchmarks measures this library, others like it, and the statements one would write
// by hand, side by side on the same servers.
//
//	go run . -short
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
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A plan is what to measure.
type plan struct {
	short     bool
	servers   map[servers.Engine][]string
	names     []string // of contenders, none for all
	work      []string
	callers   []int
	rounds    int
	span      time.Duration // of one turn
	sessions  int
	directory string // where performance.md is, "" to write none
	profile   string // file for a CPU profile of this process, "" for none
}

func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	if name := os.Getenv(serveVariable); name != "" {
		return serve(ctx, name, in, out)
	}
	p, err := parse(args, log)
	if err != nil {
		return err
	}
	if p.profile != "" {
		stop, err := startProfile(p.profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	var all []*section
	for _, engine := range both {
		for _, address := range p.servers[engine] {
			s, err := p.measure(ctx, engine, address, out, log)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
	}
	for _, s := range all {
		_, _ = io.WriteString(out, "\n"+s.markdown()+s.targets())
	}
	if p.directory == "" {
		return nil
	}
	return write(p.directory, all)
}

func startProfile(name string) (stop func(), err error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("benchmarks: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // a profile that was cut off says so itself
	}, nil
}

func parse(args []string, log io.Writer) (*plan, error) {
	p := &plan{servers: map[servers.Engine][]string{}}
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.BoolVar(&p.short, "short", false, "fewer and shorter rounds: under five minutes")
	for _, engine := range both {
		flags.Func(string(engine), "`URL` of a server, \""+local+"\" to start one, \""+none+"\" for none; may be given several times (default \""+local+"\")",
			func(s string) error { p.servers[engine] = append(p.servers[engine], s); return nil })
	}
	names := flags.String("contenders", "", "`names` with commas (default all)")
	work := flags.String("workloads", "", "`names` with commas (default all)")
	callers := flags.String("callers", "1,8,64,256", "`numbers` with commas")
	flags.IntVar(&p.rounds, "rounds", 0, "how often each is measured (default 7, short 3)")
	flags.DurationVar(&p.span, "span", 0, "how long each time (default 1s, short 250ms)")
	flags.StringVar(&p.directory, "out", "", "`directory` of the performance.md to write into, and of its plots (default none)")
	flags.StringVar(&p.profile, "cpuprofile", "", "`file` for a CPU profile; name one contender and workload with it")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	p.names, p.work = list(*names), list(*work)
	for _, text := range list(*callers) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 512 {
			return nil, fmt.Errorf("benchmarks: -callers: %q is not a number of 1 to 512", text)
		}
		p.callers = append(p.callers, n)
	}
	for _, engine := range both {
		if p.servers[engine] == nil {
			p.servers[engine] = []string{local}
		}
		if p.servers[engine][0] == none {
			p.servers[engine] = nil
		}
	}
	rounds, span := 7, time.Second
	p.sessions = 2048
	if p.short {
		rounds, span, p.sessions = 3, 250*time.Millisecond, 512
	}
	if p.rounds == 0 {
		p.rounds = rounds
	}
	if p.span == 0 {
		p.span = span
	}
	return p, p.known()
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// known finds names that nothing has.
func (p *plan) known() error {
	names := map[string]bool{}
	for _, c := range contenders() {
		names[c.name] = true
	}
	for _, w := range workloads() {
		names[w.name] = true
	}
	for _, name := range append(p.names, p.work...) {
		if !names[name] {
			return fmt.Errorf("benchmarks: there is no contender or workload %q", name)
		}
	}
	return nil
}
