package target

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"maps"
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

// An Address is a parsed database URL.
type Address struct {
	Dialect migrations.Dialect
	Name    string // of the product
	Where   string // for messages: has no password in it
	User    string
	// PostgreSQL: how an application with this URL sends its statements.
	ExecMode pgx.QueryExecMode
	database string // its name, "" for SQLite
	file     string // SQLite
	open     func(create bool, timeout time.Duration) (*sql.DB, error)
	memory   func(timeout time.Duration) (*sql.DB, error) // SQLite: with the same parameters, to try them
}

// Dialect returns the dialect by the scheme of a URL, and what follows the colon. Its
// errors quote no more than a scheme, since a URL has a password in it.
func Dialect(raw string) (dialect migrations.Dialect, rest string, err error) {
	if raw == "" {
		return "", "", urlError("no database: set DATABASE_URL or give --database-url, such as postgres://user@host/db, mysql://user@host/db or sqlite:file.db")
	}
	scheme, rest, _ := strings.Cut(raw, ":")
	dialect, known := Scheme(scheme)
	const schemes = "the database URL must begin with postgres://, mysql://, mariadb://, or sqlite: and a path"
	switch {
	case known:
		return dialect, rest, nil
	case !strings.HasPrefix(rest, "//"):
		return "", "", urlError(schemes)
	}
	return "", "", urlError(fmt.Sprintf("unknown scheme %q: %s", scheme, schemes))
}

// Scheme returns the dialect that a URL's scheme or a user means.
func Scheme(name string) (dialect migrations.Dialect, known bool) {
	switch strings.ToLower(name) {
	case "postgres", "postgresql":
		return migrations.PostgreSQL, true
	case "mysql", "mariadb":
		return migrations.MySQL, true
	case "sqlite":
		return migrations.SQLite, true
	}
	return "", false
}

// ErrURL is wrapped by what is wrong with a URL itself, and not with what it leads to.
var ErrURL = errors.New("unusable database URL")

// A urlError is an ErrURL that says what it is.
type urlError string

func (e urlError) Error() string { return string(e) }
func (urlError) Unwrap() error   { return ErrURL }

// Parse parses a database URL. Its errors wrap ErrURL and do not show the password.
func Parse(raw string) (Address, error) {
	dialect, rest, err := Dialect(raw)
	if err != nil {
		return Address{}, err
	}
	var address Address
	switch {
	case dialect == migrations.SQLite:
		address, err = parseSQLite(rest)
	case !strings.HasPrefix(rest, "//"):
		err = fmt.Errorf("the database URL lacks the two slashes of %s://", dialect)
	case dialect == migrations.MySQL:
		address, err = parseMySQL(rest)
	default:
		address, err = parsePostgres(rest)
	}
	if err != nil {
		return Address{}, urlError(err.Error())
	}
	return address, nil
}

// unusable says what is wrong with a URL without quoting it. It shows only what is said
// about the parameters, where the password can't be.
func unusable(params error) error {
	if params != nil {
		return fmt.Errorf("the database URL has an unusable parameter: %w", params)
	}
	return errors.New("the database URL can't be understood: check host and port, and percent-encode special characters in user and password (@ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25)")
}

// parameters are what follows the question mark, without passwords.
func parameters(rest string) string {
	_, query, _ := strings.Cut(rest[strings.LastIndex(rest, "@")+1:], "?")
	pairs := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		return err != nil || strings.Contains(strings.ToLower(key), "pass")
	})
	return strings.Join(pairs, "&")
}

func parsePostgres(rest string) (Address, error) {
	config, err := pgx.ParseConfig("postgres:" + rest)
	if err != nil {
		_, err = pgx.ParseConfig("postgres://localhost/?" + parameters(rest))
		if _, why, ok := strings.Cut(fmt.Sprint(err), "`: "); ok { // leaves out the URL that it tried
			err = errors.New(why)
		}
		return Address{}, unusable(err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sessions"
	}
	mode := config.DefaultQueryExecMode
	if _, query, _ := strings.Cut(rest, "?"); !strings.Contains(query, "default_query_exec_mode=") {
		// This one works through every pooler, and a command gains nothing by preparing.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	where := config.Host
	if !strings.HasPrefix(where, "/") { // not a socket
		where = net.JoinHostPort(where, fmt.Sprint(config.Port))
	}
	return Address{
		Dialect: migrations.PostgreSQL, Name: "PostgreSQL", Where: where, User: config.User, ExecMode: mode, database: config.Database,
		open: func(bool, time.Duration) (*sql.DB, error) { return stdlib.OpenDB(*config), nil },
	}, nil
}

func parseMySQL(rest string) (Address, error) {
	u, err := url.Parse("mysql:" + rest)
	if err != nil {
		return Address{}, unusable(nil)
	}
	query := u.Query()
	network, where := "tcp", net.JoinHostPort(cmp.Or(u.Hostname(), "127.0.0.1"), cmp.Or(u.Port(), "3306"))
	if socket := query.Get("socket"); socket != "" {
		network, where = "unix", socket
	}
	query.Del("socket")
	db := strings.Trim(u.Path, "/")
	// The driver does not parse user and password, so its errors can't show them.
	config, err := mysql.ParseDSN(network + "(" + where + ")/" + url.PathEscape(db) + "?" + query.Encode())
	if err != nil {
		return Address{}, unusable(err)
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Logger = &mysql.NopLogger{} // it logs errors that are returned anyway
	return Address{
		Dialect: migrations.MySQL, Name: "MySQL", Where: where, User: config.User, database: db,
		open: func(bool, time.Duration) (*sql.DB, error) {
			connector, err := mysql.NewConnector(config)
			if err != nil {
				return nil, unusable(err)
			}
			return sql.OpenDB(connector), nil
		},
	}, nil
}

func parseSQLite(rest string) (Address, error) {
	path, query, _ := strings.Cut(rest, "?")
	whole, authority := strings.CutPrefix(path, "//")
	file, pathErr := url.PathUnescape(whole)
	params, err := url.ParseQuery(query)
	switch {
	case path == ":memory:" || strings.Contains(query, "mode=memory"):
		return Address{}, errors.New("a SQLite database in memory is gone when the command ends, so there is nothing to migrate " +
			"or to clean up: name a file, as in sqlite:file.db")
	case strings.HasPrefix(path, "file:"):
		return Address{}, errors.New("take file: out of the SQLite URL, it belongs in the application's DSN: write sqlite:file.db")
	case authority && !strings.HasPrefix(whole, "/"):
		return Address{}, errors.New("a SQLite URL has no host: write sqlite:file.db, or sqlite:///path/file.db with three slashes")
	case pathErr != nil:
		return Address{}, errors.New("the path in the SQLite URL has a % that is not part of a percent-encoding: write %25")
	case err != nil:
		return Address{}, fmt.Errorf("the parameters of the SQLite URL: %w", err)
	case file == "":
		return Address{}, errors.New("the SQLite URL names no file: write sqlite:file.db")
	case params.Has("mode"):
		return Address{}, errors.New("take mode out of the SQLite URL: `migrate up` creates the file if there is none, and the other commands never do")
	}
	file = filepath.Clean(file)
	open := func(file string, create bool, timeout time.Duration) (*sql.DB, error) {
		db, err := sql.Open("sqlite", sqliteDSN(file, params, create, timeout))
		if err == nil {
			db.SetMaxOpenConns(1) // one command does one thing at a time
		}
		return db, err
	}
	return Address{
		Dialect: migrations.SQLite, Name: "SQLite", Where: file, file: file,
		open:   func(create bool, timeout time.Duration) (*sql.DB, error) { return open(file, create, timeout) },
		memory: func(timeout time.Duration) (*sql.DB, error) { return open(":memory:", true, timeout) },
	}, nil
}

var busyTimeout = regexp.MustCompile(`(?i)^\s*busy_timeout\s*[(=]\s*(\d+)\s*\)?\s*$`)

// sqliteDSN is the DSN for modernc.org/sqlite. WAL is a property of the file: one that
// the command creates gets it, and any other keeps what its owner chose.
func sqliteDSN(path string, params url.Values, create bool, timeout time.Duration) string {
	wait := 5 * time.Second
	params = maps.Clone(params)
	params["_pragma"] = slices.DeleteFunc(slices.Clone(params["_pragma"]), func(pragma string) bool {
		parts := busyTimeout.FindStringSubmatch(pragma)
		if parts != nil {
			millis, _ := strconv.ParseInt(parts[1], 10, 32) // digits only; too many give the maximum
			wait = time.Duration(millis) * time.Millisecond
		}
		return parts != nil
	})
	// SQLite ignores the context while it waits for a lock.
	params.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", min(wait, timeout).Milliseconds()))
	pragmas := strings.ToLower(strings.Join(params["_pragma"], " "))
	params.Set("mode", "rw") // does not create the file, even if it was deleted a moment ago
	if create {
		params.Set("mode", "rwc")
		if info, err := os.Stat(path); (err != nil || info.Size() == 0) && !strings.Contains(pragmas, "journal_mode") {
			params.Add("_pragma", "journal_mode(WAL)")
		}
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params.Encode()
}
