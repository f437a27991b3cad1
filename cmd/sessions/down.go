package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

func newDown(a *app) *cobra.Command {
	var yes bool
	down := &cobra.Command{
		Use:   "down [N]",
		Short: "Take back the last step, or the last N",
		Long: `Takes back the last step, or the last N, and prints each.

Taking back step 1 drops the table with all sessions in it, which logs everybody
out. That needs --yes, or a "yes" typed on a terminal.`,
		Example: `  sessions migrate down
  sessions migrate down 4 --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			_, err := stepsDown(args)
			return err
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, args []string) error {
			n, err := stepsDown(args)
			if err != nil {
				return err
			}
			return a.down(ctx, cmd, n, yes)
		}),
	}
	down.Flags().BoolVar(&yes, "yes", false, "drop the table without asking")
	return down
}

func stepsDown(args []string) (int, error) {
	if len(args) == 0 {
		return 1, nil
	}
	if len(args) > 1 {
		return 0, usagef("down takes one number of steps, not %d arguments", len(args))
	}
	n, err := number(args[0])
	if err != nil || n == 0 {
		return 0, usagef("%q is not a number of steps of 1 or more", args[0])
	}
	return int(n), nil
}

func (a *app) down(ctx context.Context, cmd *cobra.Command, n int, yes bool) error {
	out := cmd.OutOrStdout()
	d, err := a.connect(ctx, job{needs: migrating, onStep: func(step migrations.Step, _ bool) {
		fmt.Fprintf(out, "took back %d: %s\n", step.Version, step.Title)
	}})
	if err != nil {
		return err
	}
	defer d.db.Close()
	status, live, err := d.before(ctx)
	if err != nil {
		return d.explain(err)
	}
	// A state in which nothing is taken back is for Down to report.
	drops := status.Version >= 1 && uint(n) >= status.Version && !status.Dirty && status.Version <= status.Latest
	if drops && !yes {
		if err := confirm(ctx, cmd.InOrStdin(), cmd.ErrOrStderr(), a.tableName(), live); err != nil {
			return err
		}
	}
	ctx, cancel := a.limit(ctx) // from here: a human took their time
	defer cancel()
	ran, err := d.migrator.Down(ctx, n)
	switch {
	case err != nil:
		return d.migrationFailed(err)
	case ran == 0:
		fmt.Fprintln(out, "nothing to take back: no step has run")
		return nil
	case drops:
		fmt.Fprintf(out, "%s is dropped, with %s\n", a.tableName(), plural(live, "live session"))
		return nil
	}
	status, err = d.migrator.Status(ctx)
	if err != nil {
		return d.explain(err)
	}
	fmt.Fprintf(out, "%s is at version %d\n", a.tableName(), status.Version)
	return nil
}

// before is the state before down, and how many sessions would go with the table.
func (d *database) before(ctx context.Context) (status migrator.Status, live int, err error) {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	status, err = d.migrator.Status(ctx)
	if err != nil || status.Version == 0 || status.Dirty {
		return status, 0, err
	}
	stats, err := d.store.Stats(ctx)
	return status, stats.Live, err
}

// confirm has somebody type yes on a terminal.
func confirm(ctx context.Context, in io.Reader, w io.Writer, table string, live int) error {
	loss := fmt.Sprintf("this drops table %s with %s in it", table, plural(live, "live session"))
	if file, ok := in.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return &exitError{exitUsage, fmt.Errorf("%s: if you mean it, add --yes", loss)}
	}
	fmt.Fprintf(w, "T%s. Type yes to go on: ", loss[1:])
	answer, err := readLine(ctx, in)
	if err != nil {
		fmt.Fprintln(w)
		return err
	}
	if answer != "yes" {
		return &exitError{exitFailure, errors.New("not confirmed; nothing was changed")}
	}
	return nil
}

// readLine reads until the line or ctx ends; in the second case the program does.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an end without a line is an answer other than yes
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
