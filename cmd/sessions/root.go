package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/migrations"
)

// An app is the flags that all commands have.
type app struct {
	target.Options
	quiet bool
	begun bool // the command line is right
}

func newRoot(a *app) *cobra.Command {
	version, _ := build()
	root := &cobra.Command{ //nolint:gosec // the passwords in it are examples
		Use:   "sessions",
		Short: "Migrate and check the sessions table, and delete expired sessions",
		Long: `Migrates the table that package github.com/sqlsessions/sessions stores HTTP
sessions in, deletes expired sessions from it, and examines the table and its
database (doctor).

DATABASE_URL or --database-url names the database:

  postgres://user:password@host:5432/db     and all parameters of libpq
  mysql://user:password@host:3306/db        ?tls=true, or ?socket=/path; or mariadb://
  sqlite:path/to/file.db                    or sqlite:///absolute/path.db

Percent-encode special characters in a password. Other users of the machine can
see the flag in the list of processes, so prefer the variable.

Exit codes: 0 done, 1 failed, 2 wrong usage; migrate status and doctor have more.
Results go to standard output, everything else to standard error.`,
		Example: `  export DATABASE_URL='postgres://app:secret@db.example.com/app'
  sessions migrate up
  sessions cleanup --once
  sessions doctor`,
		SilenceErrors: true, // report prints them
		SilenceUsage:  true,
		Version:       version,
		Args:          onlySubcommands,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.begun, a.TimeoutSet = true, cmd.Flags().Changed("timeout")
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	flags := root.PersistentFlags()
	// Its default stays empty because help shows defaults; the variable is read when it is needed.
	flags.StringVar(&a.URL, "database-url", "", "`URL` of the database; visible in the process list\n(default: the variable DATABASE_URL, which is not)")
	flags.StringVar(&a.Table, "table", migrations.DefaultTable, "`name` of the table")
	flags.StringVar(&a.Schema, "schema", "", "`name` of the schema that the table is in, or, on MySQL,\nof the database (default: the connection's)")
	flags.DurationVar(&a.Timeout, "timeout", 30*time.Second,
		"limit for connecting and for the command; for cleanup\nof each batch; migrate up has none unless it is given")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print results and errors only")
	root.AddCommand(newMigrate(a), newCleanup(a), newDoctor(a), newImport(a), newVersion())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() { // two are cobra's
		switch cmd.Name() {
		case "help": // shows the root's help for a mistyped command
			cmd.Use, cmd.Short = "help [COMMAND]", "Show the help of a command"
			cmd.Long, cmd.Example = "Shows the help of a command, as COMMAND --help does.", "  sessions help migrate down"
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				about, rest, err := cmd.Root().Find(args)
				if err != nil {
					return err
				}
				return onlySubcommands(about, rest)
			}
		case "completion":
			cmd.Args = onlySubcommands
			cmd.RunE = func(*cobra.Command, []string) error {
				return usagef("name a shell: completion bash, fish, powershell or zsh")
			}
		}
	}
	return root
}

// onlySubcommands is for commands that have subcommands. Cobra's own check takes a
// mistyped subcommand for an argument.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // two typing mistakes
	hint := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return usagef("unknown command %q for %s%s", args[0], cmd.CommandPath(), hint)
}

// on opens the database for a command, runs it, and closes the database, all of it within
// the limit.
func (a *app) on(job target.Job, limit func(context.Context) (context.Context, context.CancelFunc),
	run func(context.Context, *cobra.Command, *target.Target) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := limit(cmd.Context())
		defer cancel()
		job.OnStep = func(step migrations.Step, up bool) {
			did := "applied"
			if !up {
				did = "reverted"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %d: %s\n", did, step.Version, step.Title)
		}
		t, err := a.Open(ctx, job)
		if err != nil {
			return err
		}
		defer t.DB.Close()
		return run(ctx, cmd, t)
	}
}

// limit bounds a command that is fast unless something is wrong.
func (a *app) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.Timeout)
}

// limitIfSet bounds a command that may take long for good reason.
func (a *app) limitIfSet(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.TimeoutSet {
		return a.limit(ctx)
	}
	return context.WithCancel(ctx)
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// logger logs from the level on, or, if it is quiet, from the other one.
func (a *app) logger(w io.Writer, quiet slog.Level) *slog.Logger {
	level := slog.LevelInfo
	if a.quiet {
		level = quiet
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// choices completes the values of a flag.
func choices(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
