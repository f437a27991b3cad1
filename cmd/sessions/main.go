// Command sessions creates and migrates the table that sessions are stored in, deletes
// expired sessions from it, and checks it. Run `sessions help`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	a := &app{}
	command, err := newRoot(a).ExecuteContextC(ctx)
	stop()
	os.Exit(report(os.Stderr, command, a.begun, err))
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

func (i interrupted) Error() string { return fmt.Sprintf("stopped by a signal (%v)", i.signal) }

// exitCode is what a shell reports for a program that the signal killed.
func (i interrupted) exitCode() int { return 128 + int(i.signal) }

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. A second
// signal kills the program.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case got := <-signals:
			signal.Stop(signals)
			cancel(interrupted{got.(syscall.Signal)}) // on all systems
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
