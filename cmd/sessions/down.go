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

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

func newDown(a *app) *cobra.Command {
	var yes bool
	n := 1
	down := &cobra.Command{
		Use:   "down [N]",
		Short: "Revert the last step, or the last N",
		Long: `Reverts the last step, or the last N, and prints each.

Reverting step 1 drops the table with all sessions in it, which logs everybody
out. That needs --yes, or a "yes" typed on a terminal.`,
		Example: `  sessions migrate down
  sessions migrate down 4 --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("down takes one number of steps, not %d arguments", len(args))
			}
			if len(args) == 1 {
				steps, err := number(args[0])
				if err != nil || steps == 0 {
					return usagef("%q is not a number of steps of 1 or more", args[0])
				}
				n = int(steps)
			}
			return nil
		},
		RunE: a.on(target.Job{Need: target.Migrate}, context.WithCancel, func(ctx context.Context, cmd *cobra.Command, t *target.Target) error {
			return a.down(ctx, cmd, t, n, yes)
		}),
	}
	down.Flags().BoolVar(&yes, "yes", false, "drop the table without asking")
	return down
}

func (a *app) down(ctx context.Context, cmd *cobra.Command, t *target.Target, n int, yes bool) error {
	out := cmd.OutOrStdout()
	status, live, err := a.before(ctx, t)
	if err != nil {
		return t.Explain(err)
	}
	// If nothing can be reverted, Down says why.
	drops := status.Version >= 1 && uint(n) >= status.Version && !status.Dirty && status.Version <= status.Latest
	if drops && !yes {
		if err := confirm(ctx, cmd.InOrStdin(), cmd.ErrOrStderr(), t.TableName(), live); err != nil {
			return err
		}
	}
	ctx, cancel := a.limit(ctx) // starts here, because a person took their time
	defer cancel()
	ran, err := t.Migrator.Down(ctx, n)
	switch {
	case err != nil:
		return migrationFailed(t, err)
	case ran == 0:
		fmt.Fprintln(out, "nothing to revert: no step has run")
		return nil
	case drops:
		fmt.Fprintf(out, "%s is dropped, with %s\n", t.TableName(), target.Plural(live, "live session"))
		return nil
	}
	if status, err = t.Migrator.Status(ctx); err != nil {
		return t.Explain(err)
	}
	fmt.Fprintf(out, "%s is at version %d\n", t.TableName(), status.Version)
	return nil
}

// before is the state before down, and how many sessions would be lost with the table.
func (a *app) before(ctx context.Context, t *target.Target) (status migrator.Status, live int, err error) {
	ctx, cancel := a.limit(ctx)
	defer cancel()
	status, err = t.Migrator.Status(ctx)
	if err != nil || status.Version == 0 || status.Dirty {
		return status, 0, err
	}
	stats, err := t.Store.Stats(ctx)
	return status, stats.Live, err
}

// confirm asks for a yes on a terminal.
func confirm(ctx context.Context, in io.Reader, w io.Writer, table string, live int) error {
	loss := fmt.Sprintf("this drops table %s with %s in it", table, target.Plural(live, "live session"))
	if file, ok := in.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return &exitError{exitUsage, fmt.Errorf("%s: if you mean it, add --yes", loss)}
	}
	fmt.Fprintf(w, "T%s. Type yes to continue: ", loss[1:])
	answer, err := readLine(ctx, in)
	if err != nil {
		fmt.Fprintln(w)
		return err
	}
	if answer != "yes" {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}

// readLine reads a line, unless ctx ends first; then the program ends too.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // without a line the answer is not yes
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
