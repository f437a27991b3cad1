package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
)

func urlVariable(engine Engine) string {
	if engine == PostgreSQL {
		return "SESSIONS_TEST_POSTGRES_URL"
	}
	return "SESSIONS_TEST_MYSQL_URL"
}

// sourceOf is the variable that says where the server of urlVariable comes from.
func sourceOf(engine Engine) string {
	if engine == PostgreSQL {
		return "SESSIONS_TEST_POSTGRES_SOURCE"
	}
	return "SESSIONS_TEST_MYSQL_SOURCE"
}

// Environ returns the environment in which [Start] of another process gives this server.
func (s *Server) Environ() []string {
	return []string{urlVariable(s.engine) + "=" + s.url, sourceOf(s.engine) + "=" + s.source}
}

// fromEnvironment gives the server the environment names, or nil when it names
// none.
func fromEnvironment(ctx context.Context, engine Engine) (*Server, error) {
	variable := urlVariable(engine)
	address := os.Getenv(variable)
	if address == "" {
		return nil, nil //nolint:nilnil // no server named is no error
	}
	s, err := at(ctx, engine, address)
	if err != nil {
		return nil, fmt.Errorf("servers: %s: %w", variable, err)
	}
	return s, nil
}

// At gives the server at an address, which is used as one of the environment is: it is never
// stopped, and Close does nothing.
func At(ctx context.Context, engine Engine, address string) (*Server, error) {
	s, err := at(ctx, engine, address)
	if err != nil {
		return nil, fmt.Errorf("servers: %w", err)
	}
	return s, nil
}

func at(ctx context.Context, engine Engine, address string) (*Server, error) {
	if err := checkURL(engine, address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	version, err := queryVersion(ctx, engine, address)
	if err != nil {
		return nil, fmt.Errorf("the server does not answer: %w", err)
	}
	source := "environment"
	if started := os.Getenv(sourceOf(engine)); started != "" {
		source = started
	}
	return &Server{engine: engine, url: address, source: source, version: version}, nil
}

// checkURL finds the errors of a URL before a driver does: the messages of
// url.Parse and of drivers quote parts of it, and what a mistyped URL has as
// its host or path can be a part of the password.
func checkURL(engine Engine, address string) error {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, string(engine)) || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return fmt.Errorf("not a URL like %s://user:password@host:port/db with special characters escaped "+
			"(the value is not shown, it has a password)", engine)
	}
	if engine == PostgreSQL {
		_, err = pgx.ParseConfig(address)
	} else {
		_, err = MySQLDSN(address)
	}
	if err != nil {
		return fmt.Errorf("not a %s:// URL the driver accepts (the value is not shown, it has a password)", engine)
	}
	return nil
}

// MySQLDSN turns mysql://user:password@host:port/db?parameters into the data
// source name of github.com/go-sql-driver/mysql. The port defaults to 3306 and
// the parameters are the driver's. Errors never hold a part of the URL.
func MySQLDSN(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "mysql" || u.Hostname() == "" {
		return "", errors.New("servers: not a URL like mysql://user:password@host:port/db")
	}
	cfg, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return "", errors.New("servers: a parameter of the mysql:// URL is not one of the driver")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net = "tcp"
	cfg.Addr = net.JoinHostPort(u.Hostname(), port)
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	return cfg.FormatDSN(), nil
}
