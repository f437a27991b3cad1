package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions"
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

// A usageError is a mistake on the command line, which a look at the help cures.
// Errors of cobra's own count as such too: see asFailure.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// runner is what a command does; args have been checked.
type runner func(ctx context.Context, cmd *cobra.Command, args []string) error

// asFailure marks what run returns as a failure at work, so that report can tell
// it from a mistake on the command line that cobra found.
func asFailure(run runner) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		err := run(ctx, cmd, args)
		var (
			exit  *exitError
			usage usageError
			by    interrupted
		)
		switch {
		case err == nil, errors.As(err, &exit), errors.As(err, &usage):
			return err
		case errors.Is(err, sessions.ErrInvalid): // the only options are flags
			return usageError{err}
		case errors.As(context.Cause(ctx), &by):
			return &exitError{by.exitCode(), by}
		}
		return &exitError{exitFailure, err}
	}
}

// report prints what went wrong in one line, and for a mistake on the command line
// how it is used, and returns the exit code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			fmt.Fprintln(w, "sessions: "+oneLine(exit.err))
		}
		return exit.code
	}
	fmt.Fprintln(w, "sessions: "+withoutURLs(oneLine(err)))
	usage := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		usage = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(w, "usage: %s\nMore: %s --help\n", usage, cmd.CommandPath())
	return exitUsage
}

// urlLike matches what may be a database URL, or the DSN of a driver.
var urlLike = regexp.MustCompile(`[^\s"]*(://|:[^"]*@)[^"]*`)

// withoutURLs hides arguments that may have a password in them: people pass a
// URL where none is expected, and errors about arguments quote them.
func withoutURLs(text string) string { return urlLike.ReplaceAllString(text, "[URL]") }

// oneLine is the text of err without the packages it came through, which mean
// nothing to the user of a command.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for {
		short := text
		for _, prefix := range []string{
			"sessions: ", "invalid option or argument: ", "reaper: ", "migrator: ", "migrations: ",
			"pgstore: ", "mysqlstore: ", "sqlitestore: ",
		} {
			short = strings.TrimPrefix(short, prefix)
		}
		if short == text {
			return text
		}
		text = short
	}
}
