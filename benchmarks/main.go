// Command benchmarks measures this library, others like it, and statements written by hand, side by
// side on the same servers.
//
//	go run . -short
//
// It starts the servers itself, with full durability, unless -postgres and -mysql name others.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/integration_test/servers"
)

func main() { bench.Main(run) }

// A plan is what to measure.
type plan struct {
	short     bool
	servers   bench.Addresses
	names     []string // of contenders, none for all
	work      []string
	callers   []int
	rounds    int
	span      time.Duration // of one turn
	sessions  int
	directory string // of performance.md, or ""
}

func run(ctx context.Context, args []string) (err error) {
	if name := os.Getenv(serveVariable); name != "" {
		return serve(ctx, name)
	}
	p := &plan{servers: bench.Addresses{}, sessions: 2048}
	profile, err := p.parse(args)
	if err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(err, file.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			_ = file.Close() // pprof rejects a profile that was cut off
		}()
	}
	var all []*section
	err = p.servers.Each(ctx, os.Stderr, func(servers.Engine) []string { return nil }, func(s *bench.Server) error {
		section, err := p.measure(ctx, s)
		all = append(all, section)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		fmt.Print("\n" + s.markdown())
	}
	if p.directory == "" {
		return nil
	}
	return write(p.directory, all)
}

func (p *plan) parse(args []string) (profile string, err error) {
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.BoolVar(&p.short, "short", false, "fewer and shorter rounds: under five minutes")
	p.servers.Flags(flags)
	listed := func(target *[]string) func(string) error {
		return func(s string) error { *target = strings.Split(s, ","); return nil }
	}
	flags.Func("contenders", "`names` with commas (default all)", listed(&p.names))
	flags.Func("workloads", "`names` with commas (default all)", listed(&p.work))
	callers := []string{"1", "8", "16", "32", "64", "256"}
	flags.Func("callers", "`numbers` with commas (default 1,8,16,32,64,256)", listed(&callers))
	flags.IntVar(&p.rounds, "rounds", 0, "how often each is measured (default 7, short 3)")
	flags.DurationVar(&p.span, "span", 0, "how long each time (default 1s, short 250ms)")
	flags.StringVar(&p.directory, "out", "", "`directory` of the performance.md whose tables and plots to replace (default none)")
	flags.StringVar(&profile, "cpuprofile", "", "`file` for a CPU profile of this process")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	for _, text := range callers {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 512 {
			return "", fmt.Errorf("benchmarks: -callers: %q is not a number from 1 to 512", text)
		}
		p.callers = append(p.callers, n)
	}
	rounds, span := 7, time.Second
	if p.short {
		rounds, span, p.sessions = 3, 250*time.Millisecond, 512
	}
	p.rounds, p.span = cmp.Or(p.rounds, rounds), cmp.Or(p.span, span)
	for _, name := range p.names {
		if !slices.ContainsFunc(contenders(), func(c contender) bool { return c.name == name }) {
			return "", fmt.Errorf("benchmarks: there is no contender %q", name)
		}
	}
	for _, name := range p.work {
		if !slices.ContainsFunc(workloads, func(w workload) bool { return w.name == name }) {
			return "", fmt.Errorf("benchmarks: there is no workload %q", name)
		}
	}
	return profile, nil
}
