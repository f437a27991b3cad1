package main

import (
	"context"
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
		RunE: asFailure(func(_ context.Context, cmd *cobra.Command, _ []string) error {
			steps, err := migrations.Steps(migrations.PostgreSQL, "", "") // all dialects have the same versions
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "version   %s\nrevision  %s\ngo        %s %s/%s\nschema    %d\n",
				buildVersion(), buildRevision(), runtime.Version(), runtime.GOOS, runtime.GOARCH, len(steps))
			return err
		}),
	}
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// buildRevision is known when the program was built in a checkout; go install of
// a published version records none.
func buildRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	revision := settings["vcs.revision"]
	switch {
	case revision == "":
		return "unknown"
	case settings["vcs.modified"] == "true":
		return revision + " (modified)"
	}
	return revision
}
