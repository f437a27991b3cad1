package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

func newMigrate(a *app) *cobra.Command {
	migrate := &cobra.Command{
		Use:   "migrate",
		Short: "Make, change and inspect the sessions table",
		Long: `Makes, changes and inspects the sessions table, in numbered steps. Any number of
processes may run it at the same time: one works and the others wait.

The steps that ran are noted in the table TABLE_schema_migrations.`,
		Example: `  sessions migrate up
  sessions migrate status
  sessions migrate print --dialect mysql`,
		Args: onlySubcommands,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: migrate up, down, status, version, force or print")
		},
	}
	migrate.AddCommand(newUp(a), newDown(a), newStatus(a), newMigrateVersion(a), newForce(a), newPrint(a))
	return migrate
}

func newUp(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Run all pending steps",
		Long: `Runs all pending steps, and prints each. It is safe to run at every deployment:
without pending steps it does nothing. A SQLite file that does not exist is made,
readable by its owner alone.

On PostgreSQL and SQLite all steps run in one transaction, so that an error leaves
everything as it was.`,
		Example: `  sessions migrate up
  sessions migrate up --schema auth --table web_sessions
  DATABASE_URL=sqlite:app.db sessions migrate up`,
		Args: cobra.NoArgs,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			ctx, cancel := a.limitIfAsked(ctx)
			defer cancel()
			d, err := a.connect(ctx, job{create: true, needs: migrating, onStep: func(step migrations.Step, _ bool) {
				fmt.Fprintf(out, "applied %d: %s\n", step.Version, step.Title)
			}})
			if err != nil {
				return err
			}
			defer d.db.Close()
			ran, err := d.migrator.Up(ctx)
			if err != nil {
				return d.migrationFailed(err)
			}
			status, err := d.migrator.Status(ctx)
			if err != nil {
				return d.explain(err)
			}
			if wrong := d.misfits(ctx); len(wrong) > 0 {
				return fmt.Errorf("%s is noted at version %d, but something else has changed it: %s; see %s",
					a.tableName(), status.Version, strings.Join(wrong, "; "), a.again("doctor"))
			}
			if ran == 0 {
				fmt.Fprintf(out, "nothing to do: version %d is the latest\n", status.Version)
				return nil
			}
			fmt.Fprintf(out, "%s is at version %d\n", a.tableName(), status.Version)
			return nil
		}),
	}
}

// migrationFailed adds what became of the steps that were printed before.
func (d *database) migrationFailed(err error) error {
	refused := errors.Is(err, migrator.ErrServer) || errors.Is(err, migrator.ErrTaken) || errors.Is(err, migrator.ErrDevelopment)
	if d.dialect == migrations.MySQL && !refused {
		return d.explain(err)
	}
	return fmt.Errorf("%w; nothing was changed", d.explain(err))
}

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show which steps ran and what to do next",
		Long: `Shows which steps ran, which are pending, and what to do next. It changes nothing.

Exit codes: 0 up to date; 1 failed; 3 steps are pending; 4 a step stopped half-way
(dirty), or the schema is newer than this program.`,
		Example: `  sessions migrate status
  sessions migrate status || sessions migrate up`,
		Args: cobra.NoArgs,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.limit(ctx)
			defer cancel()
			d, err := a.connect(ctx, job{})
			if err != nil {
				return err
			}
			defer d.db.Close()
			status, err := d.migrator.Status(ctx)
			if err != nil {
				return d.explain(err)
			}
			return d.printStatus(cmd.OutOrStdout(), status)
		}),
	}
}

func newMigrateVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version the database is at",
		Long: `Prints the version that the database is at, as a number alone: that of the last
step that ran, and 0 when none did.`,
		Example: "  sessions migrate version",
		Args:    cobra.NoArgs,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.limit(ctx)
			defer cancel()
			d, err := a.connect(ctx, job{})
			if err != nil {
				return err
			}
			defer d.db.Close()
			status, err := d.migrator.Status(ctx)
			if err != nil {
				return d.explain(err)
			}
			if status.Dirty && !a.quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "a migration stopped half-way; see %s\n", a.again("migrate status"))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), status.Version)
			return err
		}),
	}
}

func newForce(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "force VERSION",
		Short: "Note a version without running anything",
		Long: `Notes that the database is at VERSION, 0 for none, and runs no step. It asks nothing.

For after a step stopped half-way, once the table was put right by hand; and for
a table that was made by other means, such as from the output of migrate print.`,
		Example: `  sessions migrate force 4`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("force needs the version that the database is at, as in `sessions migrate force 4`")
			}
			_, err := number(args[0])
			return err
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, args []string) error {
			version, err := number(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := a.limit(ctx)
			defer cancel()
			d, err := a.connect(ctx, job{needs: migrating})
			if err != nil {
				return err
			}
			defer d.db.Close()
			before, err := d.migrator.Status(ctx)
			if err != nil {
				return d.explain(err)
			}
			if err := d.migrator.Force(ctx, version); err != nil {
				return d.forceFailed(err)
			}
			dirty := ""
			if before.Dirty {
				dirty = " (dirty)"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "noted that %s is at version %d; before it was %d%s\n", a.tableName(), version, before.Version, dirty)
			return err
		}),
	}
}

// number reads a version or a number of steps.
func number(arg string) (uint, error) {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil {
		return 0, usagef("%q is not a number of 0 or more", arg)
	}
	return uint(n), nil
}
