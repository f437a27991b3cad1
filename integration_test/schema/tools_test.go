package schema_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/mysql"    // the drivers "mysql"
	_ "github.com/golang-migrate/migrate/v4/database/postgres" // and "postgres" of the migrate command
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/pressly/goose/v3"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A toolDatabase is an empty database for another migration tool.
type toolDatabase struct {
	testbed.Backend
	url string
	db  *sql.DB
	cli func(args ...string) testbed.Result
}

func eachToolDatabase(t *testing.T, f func(t *testing.T, d toolDatabase)) {
	cli := testbed.Build(t, "./cmd/sessions")
	for _, b := range []testbed.Backend{testbed.Backends[testbed.Postgres], testbed.Backends[testbed.MySQL]} {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			engine := servers.PostgreSQL
			if b.Dialect == migrations.MySQL {
				engine = servers.MySQL
			}
			address := testbed.NewDatabase(t, engine)
			f(t, toolDatabase{b, address, b.ConnectTo(t, address).DB, func(args ...string) testbed.Result {
				return testbed.Command(t, []string{"DATABASE_URL=" + address}, cli, args...)
			}})
		})
	}
}

// works creates and loads a session, and asks the doctor.
func (d toolDatabase) works(t *testing.T) {
	t.Helper()
	store := d.ConnectTo(t, d.url).OpenStore(t, migrations.DefaultTable)
	testbed.Insert(t, store, testbed.NewRow("{}"))
	if got := d.cli("doctor"); got.Code != 0 && got.Code != 5 || !strings.Contains(got.Stdout, "right columns") {
		t.Errorf("doctor: %d %s%s", got.Code, got.Stdout, got.Stderr)
	}
}

// The migrate command of golang-migrate calls migrate.New with these two URLs. With the name
// of our table of versions it keeps away from the application's, and `sessions migrate` goes
// on where it stopped, and the other way round.
func TestGolangMigrate(t *testing.T) {
	eachToolDatabase(t, func(t *testing.T, d toolDatabase) {
		u, err := url.Parse(d.url)
		testbed.Check(t, err)
		address := d.url
		if d.Dialect == migrations.MySQL {
			config := mysql.NewConfig()
			config.User, config.Net, config.Addr, config.DBName = u.User.Username(), "tcp", u.Host, strings.Trim(u.Path, "/")
			config.Passwd, _ = u.User.Password()
			if socket := u.Query().Get("socket"); socket != "" {
				config.Net, config.Addr = "unix", socket
			}
			address = "mysql://" + config.FormatDSN()
		}
		folder, err := filepath.Abs("../../migrations/" + string(d.Dialect))
		testbed.Check(t, err)
		open := func() *migrate.Migrate {
			t.Helper()
			mark := "?"
			if strings.Contains(address, "?") {
				mark = "&"
			}
			m, err := migrate.New("file://"+folder, address+mark+"x-migrations-table=sessions_schema_migrations")
			testbed.Check(t, err)
			return m
		}
		// The application's own, at a version that is none of ours.
		_, err = d.db.ExecContext(t.Context(), "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
		testbed.Check(t, err)
		_, err = d.db.ExecContext(t.Context(), "INSERT INTO schema_migrations VALUES (17, false)")
		testbed.Check(t, err)

		m := open()
		testbed.Check(t, m.Steps(2))
		if got := d.cli("migrate", "status"); got.Code != 3 || !strings.Contains(got.Stdout, "2 steps pending") {
			t.Errorf("status after two steps: %d %s%s", got.Code, got.Stdout, got.Stderr)
		}
		if got := d.cli("migrate", "up"); got.Code != 0 || strings.Count(got.Stdout, "applied") != 2 {
			t.Errorf("up after two steps: %d %s%s", got.Code, got.Stdout, got.Stderr)
		}
		if err := m.Up(); !errors.Is(err, migrate.ErrNoChange) {
			t.Errorf("golang-migrate after our up: %v", err)
		}
		d.works(t)
		if got := d.cli("migrate", "down", "4", "--yes"); got.Code != 0 {
			t.Errorf("down: %d %s%s", got.Code, got.Stdout, got.Stderr)
		}
		testbed.Check(t, m.Up())
		if got := d.cli("migrate", "status"); got.Code != 0 || !strings.Contains(got.Stdout, "up to date") {
			t.Errorf("status: %d %s%s", got.Code, got.Stdout, got.Stderr)
		}
		d.works(t)
		testbed.Check(t, m.Down())
		if first, second := m.Close(); first != nil || second != nil {
			t.Error(first, second)
		}
		var version int
		testbed.Check(t, d.db.QueryRowContext(t.Context(), "SELECT version FROM schema_migrations").Scan(&version))
		if version != 17 {
			t.Errorf("the application's version is %d", version)
		}
	})
}

// What docs/operations.md says of goose.
func TestGoose(t *testing.T) {
	eachToolDatabase(t, func(t *testing.T, d toolDatabase) {
		steps, err := migrations.Steps(d.Dialect, "", "")
		testbed.Check(t, err)
		var list []*goose.Migration
		for _, step := range steps {
			run := func(text string) *goose.GoFunc {
				return &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
					_, err := db.ExecContext(ctx, text)
					return err
				}}
			}
			list = append(list, goose.NewGoMigration(int64(step.Version), run(step.Up), run(step.Down)))
		}
		dialect := goose.DialectPostgres
		if d.Dialect == migrations.MySQL {
			dialect = goose.DialectMySQL
		}
		provider, err := goose.NewProvider(dialect, d.db, nil, goose.WithGoMigrations(list...), goose.WithTableName("sessions_goose"))
		testbed.Check(t, err)
		if results, err := provider.Up(t.Context()); len(results) != len(steps) || err != nil {
			t.Fatalf("goose up: %v, %v", results, err)
		}
		d.works(t)
		if got := d.cli("doctor"); !strings.Contains(got.Stdout, "migrate force 4") {
			t.Errorf("doctor does not say how to record the version: %s", got.Stdout)
		}
		// Our own tool touches nothing that it does not know, and says what to do.
		if got := d.cli("migrate", "up"); got.Code != 1 ||
			!strings.Contains(got.Stderr, "migrate force VERSION") || !strings.Contains(got.Stderr, "nothing was changed") {
			t.Errorf("up: %d %s%s", got.Code, got.Stdout, got.Stderr)
		}
		d.cli("migrate", "force", "4")
		if got := d.cli("migrate", "up"); got.Code != 0 || !strings.Contains(got.Stdout, "nothing to do") {
			t.Errorf("up after force: %d %s%s", got.Code, got.Stdout, got.Stderr)
		}
		d.works(t)
		if _, err := provider.DownTo(t.Context(), 0); err != nil {
			t.Errorf("goose down: %v", err)
		}
	})
}
