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
	"github.com/sqlsessions/sessions/cmd/sessions/internal/doctor"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/observe"
)

// maxBatch keeps one statement, and the locks it holds, short.
const maxBatch = 10_000

// A cleanup is the flags of the command.
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

An expired session can't be used even while its row is still there: cleaning up
only frees disk space. A row is kept for up to about two hours after it expired, and
that of a session which was ended for as long as its reason is to be known.
Any number of machines may clean up the same table; they share the work.`,
		Example: `  sessions cleanup --dry-run
  sessions cleanup --once
  sessions cleanup --every 5m
  sessions cleanup --once --no-rest --batch-size 10000`,
		Args:    cobra.NoArgs,
		PreRunE: c.check, // before the database is opened
		RunE: a.on(target.Job{Need: target.CleanUp}, context.WithCancel, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			if err := a.checkVersion(ctx, t); err != nil {
				return err
			}
			if why := doctor.Hidden(ctx, t); why != "" { // it would delete nothing, and call that success
				return errors.New(why)
			}
			reaper := &sessions.Reaper{Store: bounded{t.Store, c.Timeout}, Interval: c.every, BatchSize: c.batch, NoRest: c.noRest}
			switch {
			case c.dryRun:
				return c.count(ctx, t, cmd.OutOrStdout())
			case c.once:
				return c.sweep(ctx, t, reaper, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return c.run(ctx, t, reaper, cmd.ErrOrStderr())
		}),
	}
	cmd.Flags().BoolVar(&c.once, "once", false, "delete what has expired, print how many, and exit")
	cmd.Flags().DurationVar(&c.every, "every", 0, "delete at this `interval`, such as 5m, until SIGINT or\nSIGTERM")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "print how many would be deleted, and delete none")
	cmd.Flags().IntVar(&c.batch, "batch-size", 50, fmt.Sprintf("how many `rows` one transaction looks at,\nat most %d: requests wait for large batches", maxBatch))
	cmd.Flags().BoolVar(&c.noRest, "no-rest", false, "do not pause between batches: to clear a backlog\nwhile there is no traffic, with a large --batch-size")
	return cmd
}

func (c *cleanup) check(cmd *cobra.Command, _ []string) error {
	modes := 0
	for _, given := range []bool{c.once, c.dryRun, cmd.Flags().Changed("every")} {
		if given {
			modes++
		}
	}
	switch {
	case modes != 1:
		return usagef("cleanup needs exactly one of --once, --every 5m and --dry-run")
	case !c.once && !c.dryRun && c.every < time.Second:
		return usagef("--every must be at least 1s, as in --every 5m: an expired session that stays a while opens nothing")
	case c.batch < 1 || c.batch > maxBatch:
		return usagef("--batch-size must be 1 to %d", maxBatch)
	}
	return nil
}

// bounded is a store whose batches end after --timeout, and not after the reaper's own
// limit.
type bounded struct {
	driver.Store
	timeout time.Duration
}

func (b bounded) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cancel()
		}
	})
	defer stop()
	return b.Store.Reap(limited, req)
}

// checkVersion refuses a table that the migrator made at an older version. A table that
// was made by other means, a user who may not read the version, or a newer schema, which
// the program's next version brings during a deployment, are no reason to stop: if the
// table does not fit, the store says so.
func (a *app) checkVersion(ctx context.Context, t *target.Target) error {
	ctx, cancel := a.limit(ctx)
	defer cancel()
	status, err := t.Migrator.Status(ctx)
	switch {
	case errors.Is(err, migrator.ErrDevelopment):
		return t.Explain(err)
	case err == nil && status.Dirty:
		return t.Explain(migrator.ErrDirty)
	case err == nil && status.Version > 0 && status.Version < status.Latest:
		return fmt.Errorf("the schema of table %s is at version %d and this program needs %d: run %s",
			t.TableName(), status.Version, status.Latest, t.Command("migrate up"))
	}
	return nil
}

func (c *cleanup) count(ctx context.Context, t *target.Target, out io.Writer) error {
	ctx, cancel := c.limitIfSet(ctx)
	defer cancel()
	stats, err := t.Store.Stats(ctx)
	if err != nil {
		return t.Explain(err)
	}
	if _, err = fmt.Fprintf(out, "%s would be deleted\n", target.Plural(stats.Dead, "expired session")); err != nil || stats.Ended == 0 {
		return err
	}
	_, err = fmt.Fprintf(out, "%s kept for now\n", target.Plural(stats.Ended, "ended session"))
	return err
}

// sweep is --once. A signal does not interrupt a batch; it ends the command after it.
func (c *cleanup) sweep(ctx context.Context, t *target.Target, reaper *sessions.Reaper, out, errOut io.Writer) error {
	show, err := c.progress(ctx, t, errOut)
	if err != nil {
		return t.Explain(err)
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
		_, err = fmt.Fprintf(out, "deleted %s\n", target.Plural(n, "expired session"))
		return err
	case errors.As(context.Cause(ctx), &by):
		return &exitError{by.exitCode(), fmt.Errorf("%w after it deleted %s; run it again for the rest", by, target.Plural(n, "expired session"))}
	case n > 0:
		return fmt.Errorf("%w; it deleted %s before", t.Explain(err), target.Plural(n, "expired session"))
	}
	return t.Explain(err)
}

// run is --every. The database rolls back a batch that a signal interrupts.
func (c *cleanup) run(ctx context.Context, t *target.Target, reaper *sessions.Reaper, errOut io.Writer) error {
	// If it fails from the start, there is no point in retrying.
	if _, err := t.Store.List(ctx, driver.ListRequest{All: true, Limit: 1}); err != nil {
		return t.Explain(err)
	}
	logger := c.logger(errOut, slog.LevelWarn)
	reaper.Logger = logger
	logger.Info("sessions: cleanup: started", "database", t.Name, "at", t.Where, "table", t.TableName(), "every", c.every)
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
		return t.Explain(err)
	}
	logger.Info("sessions: cleanup: "+by.Error(), "deleted", deleted, "failures", failures)
	return nil
}
