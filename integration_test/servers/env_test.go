package servers

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func TestEnvironmentServer(t *testing.T) {
	for _, engine := range []Engine{PostgreSQL, MySQL} {
		t.Run(string(engine), func(t *testing.T) {
			owned, err := StartOwned(t.Context(), engine, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			defer owned.Close()
			t.Setenv(sourceVariable, "")
			t.Setenv(sourceOf(engine), "")
			t.Setenv(urlVariable(engine), owned.URL())

			var log bytes.Buffer
			s, err := Start(t.Context(), engine, &log)
			if err != nil {
				t.Fatal(err)
			}
			if s.URL() != owned.URL() || s.Source() != "environment" || s.Owned() || s.Version() != owned.Version() {
				t.Errorf("not the server of the environment: %q", s.Source())
			}
			if !strings.Contains(log.String(), "environment") || strings.Contains(log.String(), "://") {
				t.Errorf("log %q", log.String())
			}
			if s.Stop(t.Context()) == nil || s.Start(t.Context()) == nil {
				t.Error("the server of the environment was stopped or started")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			for _, variable := range owned.Environ() {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			if shared, err := Start(t.Context(), engine, &log); err != nil || shared.Source() != owned.Source() || shared.Owned() {
				t.Errorf("not the server that was handed on: %v, %v", shared, err)
			}
			_, drop, err := s.CreateDatabase(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := drop(t.Context()); err != nil {
				t.Error(err)
			}
			t.Setenv(urlVariable(engine), "no URL")
			second, err := StartOwned(t.Context(), engine, t.Output())
			if err != nil {
				t.Fatal("StartOwned looked at the environment:", err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadURLKeepsThePassword(t *testing.T) {
	rests := []string{
		"://user:hunter2@127.0.0.1:1/db",            // nobody listens
		"://user:hunter2@127.0.0.1:port/db",         // not a port
		"://user:hunter2@127.0.0.1/%zz",             // not an escape
		"://user:12/hunter2@127.0.0.1/db",           // an unescaped slash
		"://user:12?hunter2@127.0.0.1/db",           // an unescaped question mark
		"://user:hunter2#3@127.0.0.1/db",            // an unescaped number sign
		"://user:hunter2@127.0.0.1:1/db?x=%zz",      // a bad parameter
		"://user:hunter2@127.0.0.1:1/db?timeout=-x", // a bad value
		"x://user:hunter2@127.0.0.1:1/db",           // another scheme
		"user:hunter2@tcp(127.0.0.1:1)/db",          // a DSN
	}
	for _, engine := range []Engine{PostgreSQL, MySQL} {
		for _, rest := range rests {
			address := rest
			if strings.Contains(rest, "://") {
				address = string(engine) + rest
			}
			t.Setenv(sourceVariable, "")
			t.Setenv(sourceOf(engine), "")
			t.Setenv(urlVariable(engine), address)
			_, err := Start(t.Context(), engine, t.Output())
			if err == nil {
				t.Fatalf("%s: no error", rest)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the error shows the password: %v", rest, err)
			}
			if !strings.HasPrefix(err.Error(), "servers: ") || !strings.Contains(err.Error(), urlVariable(engine)) {
				t.Errorf("%s: %v", rest, err)
			}
		}
	}
}

func TestMySQLDSN(t *testing.T) {
	dsn, err := MySQLDSN("mysql://us%40er:p%2Fw%3A@[::1]/db?parseTime=true&timeout=3s")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.User != "us@er" || cfg.Passwd != "p/w:" || cfg.Addr != "[::1]:3306" || cfg.DBName != "db" ||
		!cfg.ParseTime || cfg.Timeout.Seconds() != 3 {
		t.Errorf("got %q", dsn)
	}
}
