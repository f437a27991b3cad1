package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/migrations"
)

func newPrint(a *app) *cobra.Command {
	var dialect string
	var down bool
	names := []string{string(migrations.PostgreSQL), string(migrations.MySQL), string(migrations.SQLite)}
	show := &cobra.Command{
		Use:   "print",
		Short: "Print the SQL of all steps",
		Long: `Prints the SQL of all steps, to read it, or to run it by other means. It needs no
database: the dialect is --dialect, or that of the database URL.`,
		Example: `  sessions migrate print --dialect postgres
  sessions migrate print --dialect mysql --table web_sessions
  sessions migrate print --dialect sqlite --down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dialect == "" && a.DatabaseURL() == "" {
				return usagef("say which SQL: --dialect %s", strings.Join(names, ", "))
			}
			of, known := target.Scheme(dialect)
			if dialect == "" {
				var err error
				if of, _, err = target.Dialect(a.DatabaseURL()); err != nil {
					return err
				}
			} else if !known {
				return usagef("unknown dialect %q: use %s", dialect, strings.Join(names, ", "))
			}
			steps, err := a.Steps(of)
			if err != nil {
				return err
			}
			return a.print(cmd.OutOrStdout(), steps, down)
		},
	}
	show.Flags().StringVar(&dialect, "dialect", "", "`name` of the dialect: "+strings.Join(names, ", "))
	show.Flags().BoolVar(&down, "down", false, "print the SQL that reverts the steps, last step first")
	choices(show, "dialect", names...)
	return show
}

func (a *app) print(w io.Writer, steps []migrations.Step, down bool) error {
	version, what := len(steps), "run"
	if down {
		slices.Reverse(steps)
		version, what = 0, "revert"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "-- If you %s these steps by other means, record that with\n-- %s.\n", what,
		strings.Trim(a.Command(fmt.Sprintf("migrate force %d", version)), "`"))
	for _, step := range steps {
		statement, direction := step.Up, ""
		if down {
			statement, direction = step.Down, " (down)"
		}
		fmt.Fprintf(&text, "\n-- Step %d%s: %s.\n%s;\n", step.Version, direction, step.Title, strings.TrimSuffix(strings.TrimSpace(statement), ";"))
	}
	_, err := io.WriteString(w, text.String())
	return err
}
