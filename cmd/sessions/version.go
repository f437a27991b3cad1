package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions/migrations"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the schema it knows",
		Long: `Prints the version of this program, the revision and the Go version it was built
with, and the newest schema version it knows. For the version that a database is
at, see sessions migrate version.`,
		Example: "  sessions version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			steps, err := migrations.Steps(migrations.PostgreSQL, "", "") // all dialects have the same versions
			if err != nil {
				return err
			}
			version, revision := build()
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version   %s\nrevision  %s\ngo        %s %s/%s\nschema    %d\n",
				version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH, len(steps))
			return err
		},
	}
}

// build returns what this program was built from. The revision is known if that was a
// checkout; go install of a published version records none.
func build() (version, revision string) {
	version, revision = "(devel)", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	modified := ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = " (modified)"
		}
	}
	return version, revision + modified
}
