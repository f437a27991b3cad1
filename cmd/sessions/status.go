package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

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
		RunE: a.on(target.Job{}, a.limit, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			status, err := t.Migrator.Status(ctx)
			if err != nil {
				return t.Explain(err)
			}
			steps, err := t.Steps(t.Dialect)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "VERSION\tSTEP\tSTATE")
			for _, step := range steps {
				state := "applied"
				switch {
				case status.Dirty && step.Version == status.Version:
					state = "dirty"
				case step.Version > status.Version:
					state = "pending"
				}
				fmt.Fprintf(table, "%d\t%s\t%s\n", step.Version, step.Title, state)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			next, code := nextStep(t, status)
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", next); err != nil {
				return err
			}
			return &exitError{code: code}
		}),
	}
}

func nextStep(t *target.Target, status migrator.Status) (text string, code int) {
	switch {
	case status.Dirty:
		return fmt.Sprintf("dirty: a step stopped half-way at version %d.\nTo repair it, %s.", status.Version, t.RepairAdvice()), exitBroken
	case status.Version > status.Latest:
		return fmt.Sprintf("newer: %s is at version %d, and this program knows up to %d.\nUse the newer `sessions` program.",
			t.TableName(), status.Version, status.Latest), exitBroken
	case len(status.Pending) > 0:
		return fmt.Sprintf("%s pending: run %s.", target.Plural(len(status.Pending), "step"), t.Command("migrate up")), exitPending
	}
	return fmt.Sprintf("up to date: %s is at version %d.", t.TableName(), status.Version), 0
}
