package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

// The exit codes. Those of status and doctor are results, not failures.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitPending  = 3
	exitBroken   = 4 // dirty, or newer than this program
	exitWarnings = 5
	exitErrors   = 6
)

// An exitError is an error with its exit code. Without err nothing is printed, and code 0 is success.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d: %v", e.code, e.err) }

func (e *exitError) Unwrap() error { return e.err }

// usagef returns a mistake on the command line. So is every error that wraps
// sessions.ErrInvalid, because the only options are flags.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %w", sessions.ErrInvalid, fmt.Errorf(format, args...))
}

// report prints the error in one line, and for a mistake on the command line how it is
// used, and returns the exit code. If the command has not begun, cobra found a mistake.
func report(w io.Writer, cmd *cobra.Command, begun bool, err error) int {
	var exit *exitError
	var by interrupted
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
	case errors.Is(err, target.ErrURL): // how the command is used says nothing about URLs
		exit = &exitError{exitUsage, err}
	case !begun, errors.Is(err, sessions.ErrInvalid):
		fmt.Fprintln(w, "sessions: "+withoutURLs(target.OneLine(err)))
		usage := cmd.UseLine()
		if cmd.HasAvailableSubCommands() {
			usage = cmd.CommandPath() + " COMMAND [flags]"
		}
		fmt.Fprintf(w, "usage: %s\nMore: %s --help\n", usage, cmd.CommandPath())
		return exitUsage
	case errors.As(context.Cause(cmd.Context()), &by):
		exit = &exitError{by.exitCode(), by}
	default:
		exit = &exitError{exitFailure, err}
	}
	if exit.err != nil {
		fmt.Fprintln(w, "sessions: "+target.OneLine(exit.err))
	}
	return exit.code
}

// urlLike matches what may be a database URL, or the DSN of a driver.
var urlLike = regexp.MustCompile(`[^\s"]*(://|:[^"]*@)[^"]*`)

// withoutURLs hides arguments that may have a password in them: users pass a URL where
// none is expected, and errors about arguments quote them.
func withoutURLs(text string) string { return urlLike.ReplaceAllString(text, "[URL]") }
