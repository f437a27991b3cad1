// Command withservers starts a server of each engine, as package servers finds them, runs
// a command with their addresses in its environment, and stops them:
//
//	go run ./withservers go test ./...
//
// The tests of a package start servers of their own where the environment names none, so
// that this only saves time.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withservers COMMAND [ARGUMENT ...]")
		os.Exit(2)
	}
	// A terminal's interrupt reaches the command too; the servers wait for its end.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1], os.Args[2:])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "withservers:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run returns the exit code of the command.
func run(ctx context.Context, name string, args []string) (code int, err error) {
	env := os.Environ()
	startCtx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for _, engine := range []servers.Engine{servers.PostgreSQL, servers.MySQL} {
		server, startErr := servers.Start(startCtx, engine, os.Stderr)
		if startErr != nil {
			return 1, startErr
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		env = append(env, server.Environ()...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil // the command has said why
	}
	return 0, err
}
