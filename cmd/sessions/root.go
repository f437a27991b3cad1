package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/migrations"
)

const defaultTimeout = 30 * time.Second

// An app is the flags that all commands have.
type app struct {
	url           string
	table, schema string
	timeout       time.Duration
	timeoutSet    bool // by the user
	quiet         bool
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{ //nolint:gosec // the passwords in it are examples
		Use:   "sessions",
		Short: "Migrate and examine the sessions table, and delete expired sessions",
		Long: `Migrates the table that package github.com/sqlsessions/sessions keeps HTTP
sessions in, deletes expired sessions from it, and examines it with its database
(doctor).

The database is named by DATABASE_URL or --database-url:

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
		Version:       buildVersion(),
		Args:          onlySubcommands,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.timeoutSet = cmd.Flags().Changed("timeout")
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	// Its default stays empty, for help shows defaults: the variable is read when it is needed.
	flags.StringVar(&a.url, "database-url", "", "`URL` of the database; shows in the process list\n(default: the variable DATABASE_URL, which does not)")
	flags.StringVar(&a.table, "table", migrations.DefaultTable, "`name` of the table")
	flags.StringVar(&a.schema, "schema", "", "`name` of the schema that the table is in, or, on MySQL,\nof the database (default: the connection's)")
	flags.DurationVar(&a.timeout, "timeout", defaultTimeout, "limit for connecting and for the command; for cleanup\nof each batch; for migrate up none unless given")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print results and errors only")
	for _, name := range []string{"database-url", "table", "schema", "timeout"} {
		// The flags were just defined, which is the one thing this can fail on.
		_ = root.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	root.AddCommand(newMigrate(a), newCleanup(a), newDoctor(a), newImport(a), newVersion())
	root.SetHelpCommand(newHelp())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = onlySubcommands
		completion.RunE = func(*cobra.Command, []string) error {
			return usagef("say which shell: completion bash, fish, powershell or zsh")
		}
	}
	return root
}

// newHelp is like cobra's own, which takes a mistyped command for the root.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Long:    "Shows the help of a command, as COMMAND --help does.",
		Example: "  sessions help migrate down",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if err := onlySubcommands(about, rest); err != nil {
				return err
			}
			about.InitDefaultHelpFlag() // for them to be listed, as by --help
			about.InitDefaultVersionFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, sub := range about.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// onlySubcommands is for commands that others are below. Cobra's own check
// takes a mistyped subcommand for an argument.
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

// databaseURL is the flag or else the variable.
func (a *app) databaseURL() string {
	if a.url != "" {
		return a.url
	}
	return os.Getenv("DATABASE_URL")
}

// again is a command line with the table that this one was given.
func (a *app) again(command string) string {
	line := "sessions " + command
	if a.table != migrations.DefaultTable {
		line += " --table " + a.table
	}
	if a.schema != "" {
		line += " --schema " + a.schema
	}
	return "`" + line + "`"
}

// tableName is the table as messages show it.
func (a *app) tableName() string {
	if a.schema == "" {
		return a.table
	}
	return a.schema + "." + a.table
}

// plural is 1 session, 2 sessions.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
