package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/observe"
)

// maxBatch keeps one statement, and the locks it holds, short.
const maxBatch = 10_000

// A cleanup is the flags of the command and what it works on.
type cleanup struct {
	*app
	once, dryRun, noRest bool
	every                time.Duration
	batch                int
}

func newCleanup(a *app) *cobra.Command {
	c := &cleanup{app: a}
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Delete expired sessions",
		Long: `Deletes expired sessions, batch by batch. It needs one of --once, --every and
--dry-run.

Expired sessions are dead whether or not their rows are still there: cleaning up
is for disk space alone. A row is kept for up to about two hours after it expired.
Any number of machines may clean up the same table; they share the work.`,
		Example: `  sessions cleanup --dry-run
  sessions cleanup --once
  sessions cleanup --every 5m
  sessions cleanup --once --no-rest --batch-size 10000`,
		Args: cobra.NoArgs,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			if err := c.check(cmd); err != nil {
				return err
			}
			d, err := c.connect(ctx, job{needs: cleaning})
			if err != nil {
				return err
			}
			defer d.db.Close()
			if err := d.fits(ctx); err != nil {
				return err
			}
			switch reaper := c.reaper(d); {
			case c.dryRun:
				return c.count(ctx, d, cmd.OutOrStdout())
			case c.once:
				return c.sweep(ctx, d, reaper, cmd.OutOrStdout(), cmd.ErrOrStderr())
			default:
				return c.run(ctx, d, reaper, cmd.ErrOrStderr())
			}
		}),
	}
	cmd.Flags().BoolVar(&c.once, "once", false, "delete what has expired, print how many, and exit")
	cmd.Flags().DurationVar(&c.every, "every", 0, "delete again and again, at this `interval`, such as 5m,\nuntil SIGINT or SIGTERM")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "print how many would be deleted, and delete none")
	cmd.Flags().IntVar(&c.batch, "batch-size", 50, fmt.Sprintf("how many `rows` one transaction looks at, at the most,\n1 to %d: requests wait for large ones", maxBatch))
	cmd.Flags().BoolVar(&c.noRest, "no-rest", false, "do not rest between batches: for a backlog when nobody waits,\nwith a large --batch-size")
	for _, name := range []string{"every", "batch-size"} {
		// The flags were just defined, which is the one thing this can fail on.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

func (c *cleanup) check(cmd *cobra.Command) error {
	modes := 0
	for _, given := range []bool{c.once, c.dryRun, cmd.Flags().Changed("every")} {
		if given {
			modes++
		}
	}
	switch {
	case modes != 1:
		return usagef("cleanup needs exactly one of --once, --every 5m and --dry-run")
	case !c.once && !c.dryRun && c.every <= 0:
		return usagef("--every must be more than 0, as in --every 5m")
	case c.batch < 1 || c.batch > maxBatch:
		return usagef("--batch-size must be 1 to %d", maxBatch)
	}
	return nil
}

// fits checks the schema if the migrator made it. A table that was made by other
// means, a user who may not read the version table, or a newer schema, which the
// next version of the program brings during a deployment, is no reason to stop: if
// the table does not fit, the store says so.
func (d *database) fits(ctx context.Context) error {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	status, err := d.migrator.Status(ctx)
	switch {
	case errors.Is(err, migrator.ErrDevelopment):
		return d.explain(err)
	case err != nil || status.Version == 0 && !status.Dirty:
		return nil
	case status.Dirty:
		return d.explain(migrator.ErrDirty)
	case status.Version < status.Latest:
		return fmt.Errorf("the schema of table %s is at version %d and this program needs %d: run %s", d.tableName(), status.Version, status.Latest, d.again("migrate up"))
	}
	return nil
}

func (c *cleanup) reaper(d *database) *sessions.Reaper {
	return &sessions.Reaper{Store: bounded{d.store, c.timeout}, Interval: c.every, BatchSize: c.batch, NoRest: c.noRest}
}

// bounded is a store whose batches end after --timeout, if the reaper does not end
// them before.
type bounded struct {
	driver.Store
	timeout time.Duration
}

func (b bounded) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return b.Store.Reap(ctx, req)
}

func (c *cleanup) count(ctx context.Context, d *database, out io.Writer) error {
	ctx, cancel := c.limitIfAsked(ctx)
	defer cancel()
	stats, err := d.store.Stats(ctx)
	if err != nil {
		return d.explain(err)
	}
	_, err = fmt.Fprintf(out, "%s would be deleted\n", plural(stats.Dead, "expired session"))
	return err
}

// sweep is --once. A signal does not cut a batch short, but stops it after that.
func (c *cleanup) sweep(ctx context.Context, d *database, reaper *sessions.Reaper, out, errOut io.Writer) error {
	show, err := c.progress(ctx, d, errOut)
	if err != nil {
		return d.explain(err)
	}
	sweep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	reaper.Observer = &observe.Observer{Sweep: func(_ context.Context, s observe.Sweep) {
		show.add(s.Deleted)
		if ctx.Err() != nil {
			stop()
		}
	}}
	n, err := reaper.Sweep(sweep)
	show.end()
	var by interrupted
	switch {
	case err == nil:
		_, err = fmt.Fprintf(out, "deleted %s\n", plural(n, "expired session"))
		return err
	case errors.As(context.Cause(ctx), &by):
		return &exitError{by.exitCode(), fmt.Errorf("%w after it deleted %s; run it again for the rest", by, plural(n, "expired session"))}
	case n > 0:
		return fmt.Errorf("%w; it deleted %s before", d.explain(err), plural(n, "expired session"))
	}
	return d.explain(err)
}

// run is --every. A batch that a signal cuts short is undone by the database.
func (c *cleanup) run(ctx context.Context, d *database, reaper *sessions.Reaper, errOut io.Writer) error {
	// What fails from the start is not worth retrying.
	if _, err := d.store.List(ctx, driver.ListRequest{All: true, Limit: 1}); err != nil {
		return d.explain(err)
	}
	level := slog.LevelInfo
	if c.quiet {
		level = slog.LevelWarn
	}
	logger := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: level}))
	reaper.Logger = logger
	logger.Info("sessions: cleanup: started", "database", d.name, "at", d.where, "table", d.tableName(), "every", c.every)
	deleted, failures := 0, 0
	reaper.Observer = &observe.Observer{Sweep: func(_ context.Context, s observe.Sweep) {
		deleted += s.Deleted
		if s.Err != nil && ctx.Err() == nil {
			failures++
		}
	}}
	err := reaper.Run(ctx)
	var by interrupted
	if !errors.As(context.Cause(ctx), &by) {
		return d.explain(err)
	}
	logger.Info("sessions: cleanup: "+by.Error(), "deleted", deleted, "failures", failures)
	return nil
}
