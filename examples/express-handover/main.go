// Express-handover moves a small shop from Express to Go while you are logged in: one session, one cookie,
// two programs, and a switch for each route.
//
//	go run ./examples/express-handover --database-url postgres://USER:PASSWORD@HOST/NAME
//
// It needs Node 20 or later with npm, and PostgreSQL, MySQL or MariaDB.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "express-handover:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("express-handover", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	databaseURL := flags.String("database-url", "", "`URL` of a database for the demo alone, postgres://... or mysql://...\n(default: the environment's DATABASE_URL)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	*databaseURL = cmp.Or(*databaseURL, os.Getenv("DATABASE_URL"))
	// The page shows what is stored, of all visitors.
	if host, _, _ := net.SplitHostPort(*addr); host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("--addr %s: this demo shows all visitors' sessions, so it serves this machine only; use 127.0.0.1:PORT", *addr)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --addr", err)
	}
	defer listener.Close()
	db, err := openDatabase(ctx, *databaseURL)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer db.pool.Close()

	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	folder := filepath.Join(cache, "sessions-express-handover")
	if err := installApp(ctx, folder, stdout); err != nil {
		return err
	}
	secret := rand.Text() + rand.Text()
	address, stop, err := startApp(ctx, folder, *databaseURL, secret)
	if err != nil {
		return err
	}
	defer stop()
	h, err := newHandover(ctx, db, address, secret)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	fmt.Fprintf(stdout, `Express serves all routes. Log in, fill the cart, and move them to Go one by one:
Listening on http://localhost:%s

`, port)
	return serve(ctx, listener, h.handler())
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil { // a connection on which no request was sent
		return server.Close()
	}
	return nil
}
