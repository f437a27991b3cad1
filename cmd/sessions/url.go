package main

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/sqlsessions/sessions/migrations"
)

// An address is a database URL that has been understood.
type address struct {
	dialect migrations.Dialect
	name    string // of the product
	where   string // for messages: has no password in it
	user    string
	db      string // the database's name, "" for SQLite
	file    string // SQLite
	open    func(create bool, timeout time.Duration) (*sql.DB, error)
	// PostgreSQL: how an application with this URL sends its statements; nil if the URL does not say.
	execMode *pgx.QueryExecMode
}

var errNoURL = errors.New("no database: set DATABASE_URL or give --database-url, such as postgres://user@host/db, mysql://user@host/db or sqlite:file.db")

// dialectOf tells the dialect by the scheme of a URL, and returns what is behind
// the colon. Its errors quote no more than a scheme, since a URL has a password in it.
func dialectOf(raw string) (migrations.Dialect, string, error) {
	if raw == "" {
		return "", "", errNoURL
	}
	scheme, rest, _ := strings.Cut(raw, ":")
	switch strings.ToLower(scheme) {
	case "postgres", "postgresql":
		return migrations.PostgreSQL, rest, nil
	case "mysql", "mariadb":
		return migrations.MySQL, rest, nil
	case "sqlite":
		return migrations.SQLite, rest, nil
	}
	const known = "the database URL must begin with postgres://, mysql://, mariadb://, or sqlite: and a path"
	if !strings.HasPrefix(rest, "//") {
		return "", "", errors.New(known)
	}
	return "", "", fmt.Errorf("unknown scheme %q: %s", scheme, known)
}

func parseURL(raw string) (address, error) {
	dialect, rest, err := dialectOf(raw)
	if err != nil {
		return address{}, err
	}
	if dialect == migrations.SQLite {
		return parseSQLite(rest)
	}
	if !strings.HasPrefix(rest, "//") {
		return address{}, fmt.Errorf("the database URL lacks the two slashes of %s://", dialect)
	}
	if dialect == migrations.MySQL {
		return parseMySQL(rest)
	}
	return parsePostgres(rest)
}

// unusable says what is wrong with a URL without quoting it. Only what is said
// about the parameters is shown, for there the password can't be.
func unusable(params error) error {
	if params != nil {
		return fmt.Errorf("the database URL has an unusable parameter: %w", params)
	}
	return errors.New("the database URL can't be understood: check host and port, and percent-encode special characters in user and password (@ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25)")
}

// parameters are what is behind the question mark, without passwords.
func parameters(rest string) string {
	_, query, _ := strings.Cut(rest[strings.LastIndex(rest, "@")+1:], "?")
	pairs := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		return err != nil || strings.Contains(strings.ToLower(key), "pass")
	})
	return strings.Join(pairs, "&")
}

func parsePostgres(rest string) (address, error) {
	config, err := pgx.ParseConfig("postgres:" + rest)
	if err != nil {
		_, err = pgx.ParseConfig("postgres://localhost/?" + parameters(rest))
		if err != nil {
			if _, why, ok := strings.Cut(err.Error(), "`: "); ok { // without the URL that it was tried with
				err = errors.New(why)
			}
		}
		return address{}, unusable(err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sessions"
	}
	var mode *pgx.QueryExecMode
	if _, query, _ := strings.Cut(rest, "?"); strings.Contains(query, "default_query_exec_mode=") {
		mode = &config.DefaultQueryExecMode
	} else {
		// The one that works through every pooler, and a command gains nothing by preparing.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	where := config.Host
	if !strings.HasPrefix(where, "/") { // not a socket
		where = net.JoinHostPort(where, fmt.Sprint(config.Port))
	}
	return address{
		dialect: migrations.PostgreSQL, name: "PostgreSQL", where: where, user: config.User, db: config.Database,
		execMode: mode,
		open:     func(bool, time.Duration) (*sql.DB, error) { return stdlib.OpenDB(*config), nil },
	}, nil
}

func parseMySQL(rest string) (address, error) {
	u, err := url.Parse("mysql:" + rest)
	if err != nil {
		return address{}, unusable(nil)
	}
	query := u.Query()
	network, where := "tcp", net.JoinHostPort(cmp.Or(u.Hostname(), "127.0.0.1"), cmp.Or(u.Port(), "3306"))
	if socket := query.Get("socket"); socket != "" {
		network, where = "unix", socket
	}
	query.Del("socket")
	db := strings.Trim(u.Path, "/")
	// User and password stay out of what the driver parses, and so of its errors.
	config, err := mysql.ParseDSN(network + "(" + where + ")/" + url.PathEscape(db) + "?" + query.Encode())
	if err != nil {
		return address{}, unusable(err)
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Logger = &mysql.NopLogger{} // it repeats errors that are returned too
	return address{
		dialect: migrations.MySQL, name: "MySQL", where: where, user: config.User, db: db,
		open: func(bool, time.Duration) (*sql.DB, error) {
			connector, err := mysql.NewConnector(config)
			if err != nil {
				return nil, unusable(err)
			}
			return sql.OpenDB(connector), nil
		},
	}, nil
}

func parseSQLite(rest string) (address, error) {
	path, query, _ := strings.Cut(rest, "?")
	if path == ":memory:" || strings.Contains(query, "mode=memory") {
		return address{}, errors.New("a SQLite database in memory is gone when the command ends, so there is nothing to migrate or to clean up: name a file, as in sqlite:file.db")
	}
	if strings.HasPrefix(path, "file:") {
		return address{}, errors.New("take file: out of the SQLite URL, which is for the application's driver: write sqlite:file.db")
	}
	path, authority := strings.CutPrefix(path, "//")
	if authority && !strings.HasPrefix(path, "/") {
		return address{}, errors.New("a SQLite URL names no host: write sqlite:file.db, or sqlite:///path/file.db with three slashes")
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return address{}, errors.New("the path in the SQLite URL has a % that is not one of a percent-encoding: write %25")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return address{}, fmt.Errorf("the parameters of the SQLite URL: %w", err)
	}
	if path == "" {
		return address{}, errors.New("the SQLite URL names no file: write sqlite:file.db")
	}
	if params.Has("mode") {
		return address{}, errors.New("take mode out of the SQLite URL: `migrate up` makes the file where there is none, and the other commands never do")
	}
	path = filepath.Clean(path)
	return address{
		dialect: migrations.SQLite, name: "SQLite", where: path, file: path,
		open: func(create bool, timeout time.Duration) (*sql.DB, error) {
			db, err := sql.Open("sqlite", sqliteDSN(path, params, create, timeout))
			if err == nil {
				db.SetMaxOpenConns(1) // one command does one thing at a time
			}
			return db, err
		},
	}, nil
}

var busyTimeout = regexp.MustCompile(`(?i)^\s*busy_timeout\s*[(=]\s*(\d+)\s*\)?\s*$`)

// sqliteDSN is the DSN of modernc.org/sqlite. WAL journalling is a property of
// the file: one that the command makes gets it, and any other keeps what its owner chose.
func sqliteDSN(path string, params url.Values, create bool, timeout time.Duration) string {
	wait := 5 * time.Second
	params["_pragma"] = slices.DeleteFunc(params["_pragma"], func(pragma string) bool {
		parts := busyTimeout.FindStringSubmatch(pragma)
		if parts != nil {
			millis, _ := strconv.ParseInt(parts[1], 10, 32) // digits; of too many, the most
			wait = time.Duration(millis) * time.Millisecond
		}
		return parts != nil
	})
	// While it waits for a lock SQLite looks at no context.
	params.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", min(wait, timeout).Milliseconds()))
	pragmas := strings.ToLower(strings.Join(params["_pragma"], " "))
	params.Set("mode", "rw") // not even a race with somebody who deletes it makes a file
	if create {
		params.Set("mode", "rwc")
		if info, err := os.Stat(path); (err != nil || info.Size() == 0) && !strings.Contains(pragmas, "journal_mode") {
			params.Add("_pragma", "journal_mode(WAL)")
		}
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params.Encode()
}
