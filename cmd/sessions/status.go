package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// printStatus prints a table of the steps and what to do next, and returns the
// exit code as an error that prints nothing.
func (d *database) printStatus(w io.Writer, status migrator.Status) error {
	steps, err := migrations.Steps(d.dialect, d.schema, d.table)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tSTEP\tSTATE")
	for _, step := range steps {
		fmt.Fprintf(table, "%d\t%s\t%s\n", step.Version, step.Title, state(step, status))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	next, code := d.next(status)
	fmt.Fprintf(w, "\n%s\n", next)
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

func state(step migrations.Step, status migrator.Status) string {
	switch {
	case status.Dirty && step.Version == status.Version:
		return "dirty"
	case step.Version > status.Version:
		return "pending"
	}
	return "applied"
}

func (d *database) next(status migrator.Status) (text string, code int) {
	switch {
	case status.Dirty:
		return fmt.Sprintf("dirty: a step stopped half-way at version %d. Compare the table with what\n%s shows, put it right by hand, and then run\n%s.",
			status.Version, d.again("migrate print"), d.again("migrate force VERSION")), exitBroken
	case status.Version > status.Latest:
		return fmt.Sprintf("newer: %s is at version %d, and this program knows up to %d.\nUse the newer `sessions` program.",
			d.tableName(), status.Version, status.Latest), exitBroken
	case len(status.Pending) > 0:
		return fmt.Sprintf("%s pending: run %s.", plural(len(status.Pending), "step"), d.again("migrate up")), exitPending
	}
	return fmt.Sprintf("up to date: %s is at version %d.", d.tableName(), status.Version), 0
}

// forceFailed keeps the one mistake that is the user's a mistake of usage.
func (d *database) forceFailed(err error) error {
	if errors.Is(err, sessions.ErrInvalid) {
		return err
	}
	return d.explain(err)
}
