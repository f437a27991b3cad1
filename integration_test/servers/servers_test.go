package servers

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestOwnedServer(t *testing.T) {
	for _, engine := range []Engine{PostgreSQL, MySQL} {
		t.Run(string(engine), func(t *testing.T) {
			// The first use of testcontainers leaves goroutines for the whole process.
			prepareTestcontainers(t.Output())
			goroutines := runtime.NumGoroutine()
			s, err := StartOwned(t.Context(), engine, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			if !s.Owned() || s.Source() == "environment" || s.Version() == "" {
				t.Errorf("owned %v, source %q, version %q", s.Owned(), s.Source(), s.Version())
			}
			if !strings.HasPrefix(s.URL(), string(engine)+"://") {
				t.Error("URL of another scheme")
			}
			keepsDataOverRestart(t, s)
			if got := queryInt(t, engine, s.URL(), maxConnections(engine)); got < 300 {
				t.Errorf("max_connections = %d", got)
			}
			closesForGood(t, s)
			within(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
		})
	}
}

func keepsDataOverRestart(t *testing.T, s *Server) {
	t.Helper()
	address, drop, err := s.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	execute(t, s.engine, address, "CREATE TABLE kept (n INTEGER)")
	execute(t, s.engine, address, "INSERT INTO kept VALUES (42)")
	for range 2 { // the second Stop and Start have nothing to do
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !refuses(t, s.URL()) {
		t.Error("the port of a stopped server takes connections")
	}
	if _, _, err := s.CreateDatabase(t.Context()); err == nil {
		t.Error("a stopped server made a database")
	}
	before := s.URL()
	for range 2 {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.URL() != before {
		t.Error("another address after Start")
	}
	if got := queryInt(t, s.engine, address, "SELECT n FROM kept"); got != 42 {
		t.Errorf("after Stop and Start the table holds %d", got)
	}
	for range 2 {
		if err := drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := queryVersion(t.Context(), s.engine, address); err == nil {
		t.Error("the dropped database is still there")
	}
}

func closesForGood(t *testing.T, s *Server) {
	t.Helper()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if s.inst.alive() == nil {
		t.Error("the server is alive after Close")
	}
	if l, ok := s.inst.(*local); ok {
		if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", l.dir, err)
		}
	}
	if !refuses(t, s.URL()) {
		t.Error("the port of a closed server takes connections")
	}
	if s.Start(t.Context()) == nil || s.Stop(t.Context()) == nil {
		t.Error("a closed server can be started or stopped")
	}
}

// TestConcurrentStart also covers two servers of one engine side by side.
func TestConcurrentStart(t *testing.T) {
	results := make(chan error)
	for range 2 {
		go func() {
			results <- func() error {
				s, err := StartOwned(context.Background(), PostgreSQL, t.Output())
				if err != nil {
					return err
				}
				_, _, err = s.CreateDatabase(context.Background())
				return errors.Join(err, s.Close())
			}()
		}()
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := StartOwned(ctx, PostgreSQL, t.Output()); !errors.Is(err, context.Canceled) {
		t.Errorf("server %v, error %v", s, err)
	}
}

func maxConnections(engine Engine) string {
	if engine == PostgreSQL {
		return "SELECT current_setting('max_connections')::integer"
	}
	return "SELECT @@max_connections"
}

func execute(t *testing.T, engine Engine, address, statement string) {
	t.Helper()
	if err := (&Server{engine: engine, url: address}).exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func queryInt(t *testing.T, engine Engine, address, query string) (n int) {
	t.Helper()
	db, err := open(engine, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// refuses reports whether nobody listens at the host and port of a URL.
func refuses(t *testing.T, address string) bool {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

// within waits for a condition that comes true by itself.
func within(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
