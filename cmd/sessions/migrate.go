package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/doctor"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

func newMigrate(a *app) *cobra.Command {
	migrate := &cobra.Command{
		Use:   "migrate",
		Short: "Create, change and inspect the sessions table",
		Long: `Creates, changes and inspects the sessions table, in numbered steps. Any number of
processes may run it at the same time: one does the work and the others wait.

The table TABLE_schema_migrations records which steps ran.`,
		Example: `  sessions migrate up
  sessions migrate status
  sessions migrate print --dialect mysql`,
		Args: onlySubcommands,
		RunE: func(*cobra.Command, []string) error {
			return usagef("name a subcommand: migrate up, down, status, version, force or print")
		},
	}
	migrate.AddCommand(newUp(a), newDown(a), newStatus(a), newMigrateVersion(a), newForce(a), newPrint(a))
	return migrate
}

func newUp(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Run all pending steps",
		Long: `Runs all pending steps, and prints each. It is safe to run in every deployment:
without pending steps it does nothing. If there is no SQLite file it creates one
that only its owner can read.

On PostgreSQL and SQLite all steps run in one transaction, so an error leaves
everything as it was.`,
		Example: `  sessions migrate up
  sessions migrate up --schema auth --table web_sessions
  DATABASE_URL=sqlite:app.db sessions migrate up`,
		Args: cobra.NoArgs,
		RunE: a.on(target.Job{Create: true, Need: target.Migrate}, a.limitIfSet, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			ran, err := t.Migrator.Up(ctx)
			if err != nil {
				return migrationFailed(t, err)
			}
			status, err := t.Migrator.Status(ctx)
			if err != nil {
				return t.Explain(err)
			}
			if wrong := doctor.Misfits(ctx, t); len(wrong) > 0 {
				return fmt.Errorf("%s is recorded at version %d, but something else has changed it: %s; see %s",
					t.TableName(), status.Version, strings.Join(wrong, "; "), t.Command("doctor"))
			}
			if ran == 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "nothing to do: version %d is the latest\n", status.Version)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is at version %d\n", t.TableName(), status.Version)
			return err
		}),
	}
}

// migrationFailed adds what became of the steps that were printed before.
func migrationFailed(t *target.Target, err error) error {
	refused := errors.Is(err, migrator.ErrServer) || errors.Is(err, migrator.ErrTaken) || errors.Is(err, migrator.ErrDevelopment)
	if t.Dialect == migrations.MySQL && !refused {
		return t.Explain(err)
	}
	return fmt.Errorf("%w; nothing was changed", t.Explain(err))
}

func newMigrateVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version the database is at",
		Long: `Prints the version that the database is at, as a number alone: that of the last
step that ran, or 0 if none did.`,
		Example: "  sessions migrate version",
		Args:    cobra.NoArgs,
		RunE: a.on(target.Job{}, a.limit, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			status, err := t.Migrator.Status(ctx)
			if err != nil {
				return t.Explain(err)
			}
			if status.Dirty && !a.quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "a migration stopped half-way; see %s\n", t.Command("migrate status"))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), status.Version)
			return err
		}),
	}
}

func newForce(a *app) *cobra.Command {
	var version uint
	return &cobra.Command{
		Use:   "force VERSION",
		Short: "Record a version without running anything",
		Long: `Records that the database is at VERSION, 0 for none, and runs no step. It asks for
no confirmation.

Use it after a step stopped half-way, once the table has been corrected by hand,
and for a table that was made by other means, such as the output of migrate print.`,
		Example: `  sessions migrate force 4`,
		Args: func(_ *cobra.Command, args []string) (err error) {
			if len(args) != 1 {
				return usagef("force needs the version that the database is at, as in `sessions migrate force 4`")
			}
			version, err = number(args[0])
			return err
		},
		RunE: a.on(target.Job{Need: target.Migrate}, a.limit, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			before, err := t.Migrator.Status(ctx)
			if err != nil {
				return t.Explain(err)
			}
			if err := t.Migrator.Force(ctx, version); errors.Is(err, sessions.ErrInvalid) {
				return err // there is no such version
			} else if err != nil {
				return t.Explain(err)
			}
			dirty := ""
			if before.Dirty {
				dirty = " (dirty)"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "recorded that %s is at version %d; before it was %d%s\n", t.TableName(), version, before.Version, dirty)
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
