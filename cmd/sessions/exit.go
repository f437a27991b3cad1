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

// An exitError is an error with its exit code. Without err nothing is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitWith ends the program with a code and prints nothing. 0 is success.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// usagef returns a mistake on the command line, for which the help is a cure. All errors
// that wrap sessions.ErrInvalid are such, because the only options are flags, and so are
// cobra's own: see asFailure.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %w", sessions.ErrInvalid, fmt.Errorf(format, args...))
}

// runner is what a command does; args have been checked.
type runner func(ctx context.Context, cmd *cobra.Command, args []string) error

// asFailure gives the errors of run an exit code, so that report can tell them from a
// mistake on the command line that cobra found.
func asFailure(run runner) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		err := run(ctx, cmd, args)
		var exit *exitError
		var by interrupted
		switch {
		case err == nil, errors.As(err, &exit), errors.Is(err, sessions.ErrInvalid):
			return err
		case errors.As(context.Cause(ctx), &by):
			return &exitError{by.exitCode(), by}
		}
		return &exitError{exitFailure, err}
	}
}

// report prints the error in one line, and for a mistake on the command line how it is
// used, and returns the exit code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			fmt.Fprintln(w, "sessions: "+target.OneLine(exit.err))
		}
		return exit.code
	}
	fmt.Fprintln(w, "sessions: "+withoutURLs(target.OneLine(err)))
	usage := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		usage = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(w, "usage: %s\nMore: %s --help\n", usage, cmd.CommandPath())
	return exitUsage
}

// urlLike matches what may be a database URL, or the DSN of a driver.
var urlLike = regexp.MustCompile(`[^\s"]*(://|:[^"]*@)[^"]*`)

// withoutURLs hides arguments that may have a password in them: users pass a URL where
// none is expected, and errors about arguments quote them.
func withoutURLs(text string) string { return urlLike.ReplaceAllString(text, "[URL]") }
