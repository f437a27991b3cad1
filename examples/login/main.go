// Login is a small web application that shows what package sessions does: it
// keeps notes, signs people in, lists where they are signed in, and signs them
// out again, here or everywhere.
//
//	go run ./examples/login
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/sqlsessions/sessions"
)

const defaultDatabase = "sqlite:sessions-demo.db"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once

	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "login:", err)
		os.Exit(1)
	}
}

type config struct {
	addr           string
	databaseURL    string
	insecureCookie bool
}

func parseFlags(args []string, help io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("login", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`host:port` to listen on")
	flags.StringVar(&c.databaseURL, "database-url", "", "`URL` of the database: postgres://..., mysql://... or sqlite:PATH\n"+
		"(default: the environment's DATABASE_URL, otherwise "+defaultDatabase+")")
	flags.BoolVar(&c.insecureCookie, "insecure-cookie", false, "leave the attribute Secure out on plain HTTP, for browsers that do not\n"+
		"keep Secure cookies on localhost, such as Safari")
	flags.Usage = func() {
		fmt.Fprint(help, "A demo of server-side sessions: sign in, look around, sign out everywhere.\n\nFlags:\n")
		flags.PrintDefaults()
		fmt.Fprint(help, "\nEnvironment:\n  SESSION_SECRET  signs the cookies, at least 32 random bytes\n  DATABASE_URL    see -database-url\n")
	}
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	// Not a flag's default, which --help would print: a URL may hold a password.
	c.databaseURL = cmp.Or(c.databaseURL, os.Getenv("DATABASE_URL"), defaultDatabase)
	return c, nil
}

// run serves until ctx ends, and returns when everything it started has ended.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	// Listen first: if the port is taken, no files are created.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --addr, for example --addr 127.0.0.1:8081", err)
	}
	defer listener.Close()

	db, err := openDatabase(ctx, c.databaseURL)
	if err != nil {
		return err
	}
	defer db.pool.Close()
	secret, err := loadSecret(db.folder)
	if err != nil {
		return err
	}
	handler, err := newServer(db, secret, c.insecureCookie)
	if err != nil {
		return err
	}

	// Expired sessions are dead whether or not anything deletes their rows. The
	// reaper keeps the table small.
	var background sync.WaitGroup
	defer background.Wait() // before the pool is closed
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	background.Go(func() {
		reaper := &sessions.Reaper{Store: db.store}
		if err := reaper.Run(ctx); !errors.Is(err, context.Canceled) {
			slog.Error("the reaper stopped", "error", err)
		}
	})

	printWelcome(stdout, db, listener.Addr())
	return serve(ctx, listener, handler)
}

// serve lets running requests finish before it returns.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler,
		// The defaults are no timeouts, and any client could hold a connection forever.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// ctx is over, and the running requests get some time all the same.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

func printWelcome(w io.Writer, db *database, addr net.Addr) {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	fmt.Fprintf(w, `Sessions are kept in %s (%s)
Listening on http://%s

Try this:
  - write a note before you sign in: it is still there afterwards
  - sign in as alice, bob or carol with the password "demo"
  - sign in again from a second browser, then log out everywhere, and look at the first
  - change the password: the other browsers are signed out
  - stop this program with Ctrl-C and start it again: you are still signed in

`, db.name, db.place, net.JoinHostPort(host, port))
}
