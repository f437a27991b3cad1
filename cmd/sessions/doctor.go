package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/doctor"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

func newDoctor(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the database and report problems",
		Long: `Checks whether the server, the connection, the table and its content are as the
sessions need them, and reports problems and what to do about them. It changes
nothing. --timeout limits each check; --quiet leaves out what is as it should be.

Give it the URL that your application uses: some findings are about its user. If
this user may not make a check, a note says which grant it needs.

Exit codes: 0 healthy, or notes only; 1 could not connect; 5 warnings; 6 errors.

With --json it prints one object: database, at, table, errors, warnings, notes,
and findings, each with check, status (ok, note, warning or error), text, advice
("" for none), and, where there is one, value.`,
		Example: `  sessions doctor
  sessions doctor --schema auth --table web_sessions
  sessions doctor --json --timeout 5s`,
		Args: cobra.NoArgs,
		RunE: a.on(target.Job{}, context.WithCancel, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			report, err := doctor.Run(ctx, t)
			if err != nil {
				return err
			}
			if a.quiet {
				report.Findings = slices.DeleteFunc(report.Findings, func(f doctor.Finding) bool { return f.Status == doctor.OK })
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = report.Print(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			switch {
			case report.Errors > 0:
				return &exitError{code: exitErrors}
			case report.Warnings > 0:
				return &exitError{code: exitWarnings}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}
