package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/doctor"
	"github.com/sqlsessions/sessions/migrations"
)

const (
	applied = "applied 1: create sessions\napplied 2: index sessions user\napplied 3: index sessions reap\napplied 4: index sessions label\n"
	table   = "VERSION  STEP                  STATE\n1        create sessions       applied\n2        index sessions user   applied\n3        index sessions reap   applied\n4        index sessions label  "
)

// The journal mode of a file that was there is its owner's.
func TestMigrateLeavesTheJournalMode(t *testing.T) {
	path, url := newFile(t)
	db := open(t, path)
	for _, statement := range []string{"PRAGMA journal_mode = DELETE", "CREATE TABLE own (x)"} {
		_, err := db.ExecContext(t.Context(), statement)
		check(t, err)
	}
	check(t, db.Close())
	run(t, url, "migrate", "up").want(t, 0, applied+"sessions is at version 4\n")
	if mode := query[string](t, open(t, path), "PRAGMA journal_mode"); mode != "delete" {
		t.Errorf("journal mode %s", mode)
	}
}

func TestLifeOfATable(t *testing.T) {
	path, url := newFile(t)
	run(t, url, "migrate", "up").want(t, 0, applied+"sessions is at version 4\n")
	run(t, url, "migrate", "up").want(t, 0, "nothing to do: version 4 is the latest\n")
	run(t, url, "migrate", "version").want(t, 0, "4\n")
	run(t, url, "migrate", "status").want(t, 0, table+"applied\n\nup to date: sessions is at version 4.\n")
	db := open(t, path)
	if mode := query[string](t, db, "PRAGMA journal_mode"); mode != "wal" {
		t.Errorf("journal mode %s", mode)
	}

	run(t, url, "migrate", "down").want(t, 0, "reverted 4: index sessions label\nsessions is at version 3\n")
	run(t, url, "migrate", "status").want(t, exitPending, table+"pending\n\n1 step pending: run `sessions migrate up`.\n")
	run(t, url, "cleanup", "--once").wantError(t, exitFailure, "version 3", "needs 4", "`sessions migrate up`")
	run(t, url, "migrate", "up").want(t, 0, "applied 4: index sessions label\nsessions is at version 4\n")

	insert(t, db, 2, time.Hour)
	insert(t, db, 3, -time.Hour)
	run(t, url, "migrate", "down", "3").want(t, 0, "reverted 4: index sessions label\nreverted 3: index sessions reap\nreverted 2: index sessions user\nsessions is at version 1\n")
	for _, n := range []string{"1", "5"} {
		run(t, url, "migrate", "down", n).wantError(t, exitUsage, "drops table sessions with 2 live sessions", "--yes")
	}
	if n := query[int](t, db, "SELECT count(*) FROM sessions"); n != 5 {
		t.Errorf("%d rows are left", n)
	}
	run(t, url, "migrate", "down", "5", "--yes").want(t, 0, "reverted 1: create sessions\n"+"sessions is dropped, with 2 live sessions\n")
	run(t, url, "migrate", "version").want(t, 0, "0\n")
	run(t, url, "migrate", "down").want(t, 0, "nothing to revert: no step has run\n")
	run(t, url, "cleanup", "--once").wantError(t, exitFailure, "table sessions is missing", "`sessions migrate up`")
	run(t, url, "migrate", "up", "--quiet").want(t, 0, applied+"sessions is at version 4\n")
}

func TestOtherTable(t *testing.T) {
	path, url := newFile(t)
	run(t, url, "migrate", "up", "--table", "web").want(t, 0, applied+"web is at version 4\n")
	run(t, url, "cleanup", "--once", "--table", "web").want(t, 0, "deleted 0 expired sessions\n")
	if r := run(t, url, "migrate", "status"); r.code != exitPending {
		t.Errorf("the default table: exit code %d\n%s", r.code, r.out)
	}
	if n := query[int](t, open(t, path), "SELECT count(*) FROM sqlite_master WHERE tbl_name = 'sessions'"); n != 0 {
		t.Error("a table sessions was made")
	}
	run(t, url, "cleanup", "--once", "--table", "other").wantError(t, exitFailure, "`sessions migrate up --table other`")
	run(t, url, "migrate", "up", "--table", "x y").wantError(t, exitUsage, `table name "x y"`)
	run(t, url, "migrate", "up", "--schema", "x").wantError(t, exitUsage, "SQLite")
}

func TestDirtyAndNewer(t *testing.T) {
	db, url := migrated(t)
	set := func(text string) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), "UPDATE sessions_schema_migrations SET "+text)
		check(t, err)
	}
	set("version = 2, dirty = true")
	r := run(t, url, "migrate", "status")
	if r.code != exitBroken || !strings.Contains(r.out, "2        index sessions user   dirty") || !strings.Contains(r.out, "`sessions migrate force VERSION`") {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"migrate", "up"}, {"migrate", "down"}, {"migrate", "down", "4"}, {"cleanup", "--once"}} {
		run(t, url, args...).wantError(t, exitFailure, "half-way", "`sessions migrate force VERSION`")
	}
	if r := run(t, url, "migrate", "version"); r.out != "2\n" || r.code != 0 || !strings.Contains(r.err, "half-way") {
		t.Errorf("%+v", r)
	}
	run(t, url, "migrate", "force", "4").want(t, 0, "recorded that sessions is at version 4; before it was 2 (dirty)\n")
	run(t, url, "migrate", "force", "5").wantError(t, exitUsage, "no version 5", "latest is 4")

	set("version = 9")
	if r := run(t, url, "migrate", "status"); r.code != exitBroken || !strings.Contains(r.out, "newer") || !strings.Contains(r.out, "version 9") {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"migrate", "up"}, {"migrate", "down", "--yes"}, {"migrate", "down", "20"}} {
		run(t, url, args...).wantError(t, exitFailure, "newer")
	}
	// The next version of the program has migrated, and this one is not replaced yet.
	run(t, url, "cleanup", "--dry-run").want(t, 0, "0 expired sessions would be deleted\n")
	run(t, url, "cleanup", "--once").want(t, 0, "deleted 0 expired sessions\n")
	run(t, url, "migrate", "force", "0").want(t, 0, "recorded that sessions is at version 0; before it was 9\n")
	run(t, url, "migrate", "up").wantError(t, exitFailure, "exists already", "`sessions migrate force VERSION`", "nothing was changed")
}

func TestMigrateUpFiveAtOnce(t *testing.T) {
	path, url := newFile(t)
	var (
		group   sync.WaitGroup
		results [5]result
	)
	for i := range results {
		cmd := command(t, url, "migrate", "up")
		group.Go(func() { results[i] = finish(t, cmd) })
	}
	group.Wait()
	worked := 0
	for _, r := range results {
		if r.code != 0 {
			t.Errorf("%+v", r)
		}
		if strings.HasPrefix(r.out, applied) {
			worked++
		}
	}
	if worked != 1 {
		t.Errorf("%d of them ran the steps: %+v", worked, results)
	}
	steps, err := migrations.Steps(migrations.SQLite, "", "")
	check(t, err)
	db := open(t, path)
	for _, step := range steps {
		at := strings.Index(step.Up, "CREATE ")
		statement := strings.TrimSuffix(strings.TrimSpace(step.Up[at:]), ";")
		if n := query[int](t, db, "SELECT count(*) FROM sqlite_master WHERE sql = '"+strings.ReplaceAll(statement, "'", "''")+"'"); n != 1 {
			t.Errorf("step %d is not in the schema", step.Version)
		}
	}
	run(t, url, "migrate", "status").want(t, 0, table+"applied\n\nup to date: sessions is at version 4.\n")
}

// What print prints makes a table that works, and unmakes it.
func TestPrint(t *testing.T) {
	db, url := migrated(t)
	want := query[string](t, db, "SELECT group_concat(sql, ';') FROM sqlite_master WHERE name LIKE 'sessions%' AND name NOT LIKE '%migrations'")
	down, up := run(t, url, "migrate", "print", "--down"), run(t, url, "migrate", "print")
	_, err := db.ExecContext(t.Context(), down.want(t, 0, down.out).out)
	check(t, err)
	if n := query[int](t, db, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'sessions%' AND name NOT LIKE '%migrations%'"); n != 0 {
		t.Errorf("%d things are left", n)
	}
	_, err = db.ExecContext(t.Context(), up.want(t, 0, up.out).out)
	check(t, err)
	if got := query[string](t, db, "SELECT group_concat(sql, ';') FROM sqlite_master WHERE name LIKE 'sessions%' AND name NOT LIKE '%migrations'"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	for dialect, text := range map[string]string{"postgres": `CREATE TABLE "auth"."web" (`, "mysql": "CREATE TABLE `auth`.`web` ("} {
		r := run(t, "", "migrate", "print", "--dialect", dialect, "--schema", "auth", "--table", "web")
		for _, text := range []string{text, "The verifier is the SHA-256", ");\n", "-- Step 4: index sessions label.", "sessions migrate force 4 --table web --schema auth."} {
			if r.code != 0 || !strings.Contains(r.out, text) {
				t.Errorf("%s: no %q in\n%s%s", dialect, text, r.out, r.err)
			}
		}
		byURL := run(t, dialect+"://user@host.invalid/db", "migrate", "print", "--schema", "auth", "--table", "web")
		if byURL != r {
			t.Errorf("%s: the URL gives another text: %+v", dialect, byURL)
		}
	}
	for other, dialect := range map[string]string{"mariadb": "mysql", "postgresql": "postgres", "PostgreSQL": "postgres", "MySQL": "mysql", "SQLite": "sqlite"} {
		got, want := run(t, "", "migrate", "print", "--dialect", other), run(t, "", "migrate", "print", "--dialect", dialect)
		if got.code != 0 || got != want {
			t.Errorf("--dialect %s gives another text than %s: %d %s", other, dialect, got.code, got.err)
		}
	}
	run(t, "foo://host/db", "migrate", "print").wantError(t, exitUsage, "unknown scheme")
	run(t, "", "migrate", "print").wantError(t, exitUsage, "--dialect postgres, mysql, sqlite")
	run(t, "", "migrate", "print", "--dialect", "oracle").wantError(t, exitUsage, `"oracle"`, "postgres, mysql, sqlite")
}

// Only migrate up makes a file.
func TestFileThatIsNotThere(t *testing.T) {
	path, url := newFile(t)
	for _, args := range [][]string{
		{"migrate", "status"},
		{"migrate", "version"},
		{"migrate", "down"},
		{"migrate", "force", "3"},
		{"cleanup", "--once"},
		{"cleanup", "--dry-run"},
		{"cleanup", "--every", "1s"},
	} {
		run(t, url, args...).wantError(t, exitFailure, "no file "+path, "`sessions migrate up`")
		if _, err := os.Stat(path); err == nil {
			t.Fatalf("%v made the file", args)
		}
	}
}

func TestConfirmation(t *testing.T) {
	for _, c := range []struct{ typed, want string }{{"yes\n", "yes"}, {" yes \r\n", "yes"}, {"no\n", "no"}, {"", ""}, {"ye", "ye"}} {
		if got, err := readLine(t.Context(), strings.NewReader(c.typed)); got != c.want || err != nil {
			t.Errorf("%q: %q, %v", c.typed, got, err)
		}
	}
	silent, _, err := os.Pipe()
	check(t, err)
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readLine(ctx, silent); err == nil {
		t.Error("a signal does not end the question")
	}
}

// Nothing was released with it, so a development version's table is refused, and nothing is changed.
func TestDevelopmentTable(t *testing.T) {
	db, url := migrated(t)
	spoil(
		t, db, "DROP TABLE sessions", "UPDATE sessions_schema_migrations SET version = 3",
		`CREATE TABLE sessions ("key" BLOB NOT NULL PRIMARY KEY, handle TEXT NOT NULL UNIQUE, user_id TEXT, data TEXT NOT NULL, version INTEGER NOT NULL,
			created_at INTEGER NOT NULL, absolute_expires_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, reap_after INTEGER NOT NULL)`,
		"CREATE INDEX sessions_user_id_idx ON sessions (user_id, handle)", "CREATE INDEX sessions_reap_after_idx ON sessions (reap_after)",
	)
	const schema = "SELECT group_concat(sql, ';') FROM sqlite_master"
	before := query[string](t, db, schema)
	advice := []string{
		"table sessions was made by a development version", `run DROP TABLE "sessions"; DROP TABLE IF EXISTS "sessions_schema_migrations"`,
		"`sessions migrate up`", "--table",
	}
	for _, version := range []string{"3", "4", "0"} {
		_, err := db.ExecContext(t.Context(), "UPDATE sessions_schema_migrations SET version = "+version)
		check(t, err)
		for _, args := range [][]string{{"migrate", "down", "9", "--yes"}, {"migrate", "status"}, {"migrate", "version"}, {"migrate", "force", "4"}, {"cleanup", "--once"}} {
			run(t, url, args...).wantError(t, exitFailure, advice...)
		}
		run(t, url, "migrate", "up").wantError(t, exitFailure, append(advice, "nothing was changed")...)
		d := diagnose(t, url, exitErrors)
		d.alone(t, 1)
		d.want(t, "columns", doctor.Error, advice...)
		if after, noted := query[string](t, db, schema), query[string](t, db, "SELECT version FROM sessions_schema_migrations"); after != before || noted != version {
			t.Errorf("version %s, and the schema is now %s", noted, after)
		}
	}
	spoil(t, db, `DROP TABLE "sessions"; DROP TABLE IF EXISTS "sessions_schema_migrations"`)
	run(t, url, "migrate", "up").want(t, 0, applied+"sessions is at version 4\n")

	// The columns of its owner are no reason to refuse a table.
	spoil(t, db, `ALTER TABLE sessions ADD COLUMN "key" TEXT`, "ALTER TABLE sessions ADD COLUMN handle TEXT")
	run(t, url, "migrate", "up").want(t, 0, "nothing to do: version 4 is the latest\n")
}
