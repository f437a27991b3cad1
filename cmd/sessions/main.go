// Command sessions makes and migrates the table that sessions are kept in, and
// deletes expired sessions from it. Run `sessions help`.
package main

import (
	"context"
	"os"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	command, err := newRoot().ExecuteContextC(ctx)
	stop()
	os.Exit(report(os.Stderr, command, err))
}
