package main

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/doctor"
	"github.com/sqlsessions/sessions/migrations"
)

// A diagnosis is what doctor --json prints.
type diagnosis struct {
	Database string           `json:"database"`
	At       string           `json:"at"`
	Table    string           `json:"table"`
	Errors   int              `json:"errors"`
	Warnings int              `json:"warnings"`
	Notes    int              `json:"notes"`
	Findings []doctor.Finding `json:"findings"`
}

func spoil(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		check(t, err)
	}
}

// diagnose runs doctor --json, and checks the exit code and that the numbers add up.
func diagnose(t *testing.T, url string, code int, args ...string) diagnosis {
	t.Helper()
	r := run(t, url, append([]string{"doctor", "--json"}, args...)...)
	var d diagnosis
	decoder := json.NewDecoder(strings.NewReader(r.out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil || r.err != "" || r.code != code {
		t.Fatalf("exit code %d, want %d: %v\n%s%s", r.code, code, err, r.out, r.err)
	}
	count := map[string]int{}
	for _, f := range d.Findings {
		count[f.Status]++
		if f.Check == "" || f.Text == "" || (f.Advice == "") != (f.Status == doctor.OK) {
			t.Errorf("%+v", f)
		}
	}
	if count[doctor.Error] != d.Errors || count[doctor.Warning] != d.Warnings || count[doctor.Note] != d.Notes {
		t.Errorf("%v found, and %d, %d and %d reported", count, d.Errors, d.Warnings, d.Notes)
	}
	return d
}

// want fails unless there is a finding of that check and status with all of texts in it.
func (d diagnosis) want(t *testing.T, name, status string, texts ...string) {
	t.Helper()
	for _, f := range d.Findings {
		has := f.Check == name && f.Status == status
		for _, text := range texts {
			has = has && strings.Contains(f.Text+"\n"+f.Advice, text)
		}
		if has {
			return
		}
	}
	t.Errorf("no %s of %s with %q in %+v", status, name, texts, d.Findings)
}

// alone fails unless the given number of findings are not ok.
func (d diagnosis) alone(t *testing.T, n int) {
	t.Helper()
	if d.Errors+d.Warnings+d.Notes != n {
		t.Errorf("%d findings are not ok, want %d: %+v", d.Errors+d.Warnings+d.Notes, n, d.Findings)
	}
}

func TestDoctorHealthy(t *testing.T) {
	db, url := migrated(t)
	insert(t, db, 3, time.Hour)
	insert(t, db, 2, -time.Hour)
	before := query[int](t, db, "PRAGMA data_version")
	d := diagnose(t, url, 0)
	d.alone(t, 0)
	d.want(t, "live", doctor.OK, "3 live sessions")
	d.want(t, "expired", doctor.OK, "2 expired rows, the oldest for 60 minutes")
	if d.Database != "SQLite" || d.Table != "sessions" || d.At != strings.TrimPrefix(url, "sqlite:") {
		t.Errorf("%+v", d)
	}
	r := run(t, url, "doctor")
	for _, text := range []string{"ok       SQLite 3.", "ok       journal mode wal\n", " is healthy: 0 errors, 0 warnings, 0 notes.\n"} {
		if r.code != 0 || r.err != "" || !strings.Contains(r.out, text) {
			t.Errorf("no %q in %+v", text, r)
		}
	}
	if quiet := run(t, url, "doctor", "--quiet"); quiet.code != 0 || strings.Contains(quiet.out, "ok  ") || strings.Count(quiet.out, "\n") != 2 {
		t.Errorf("%+v", quiet)
	}
	if after := query[int](t, db, "PRAGMA data_version"); after != before {
		t.Error("it changed the file")
	}
}

func TestDoctorText(t *testing.T) {
	db, url := migrated(t)
	spoil(t, db, "DROP INDEX sessions_reap_after_idx")
	const finding = "\nwarning  index sessions_reap_after_idx is missing: cleaning up reads the whole table\n" +
		"         what to do: run CREATE INDEX \"sessions_reap_after_idx\" ON \"sessions\" (\"reap_after\")\n"
	r := run(t, url, "doctor")
	if r.code != exitWarnings || r.err != "" || !strings.Contains(r.out, finding) || !strings.HasSuffix(r.out, " has problems: 0 errors, 1 warning, 0 notes.\n") {
		t.Errorf("%+v", r)
	}
}

// Each row spoils a healthy database in one way, and has one finding.
func TestDoctorSpoiled(t *testing.T) {
	for _, test := range []struct {
		statement     string
		code, count   int
		check, status string
		texts         []string
	}{
		{"DROP INDEX sessions_user_id_idx", 5, 1, "indexes", doctor.Warning, []string{"user_id_idx is missing", `CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id", "id") WHERE "user_id" IS NOT NULL`}},
		{"DROP INDEX sessions_label_idx", 5, 1, "indexes", doctor.Warning, []string{"label_idx is missing", `CREATE INDEX "sessions_label_idx" ON "sessions" ("label", "id") WHERE "label" IS NOT NULL`}},
		{"CREATE INDEX extra ON sessions (verifier)", 5, 1, "indexes", doctor.Warning, []string{"extra contains verifier: each new token"}},
		{"CREATE INDEX extra ON sessions (expires_at)", 5, 1, "indexes", doctor.Warning, []string{"extra contains expires_at"}},
		{"CREATE INDEX extra ON sessions (created_at) WHERE version > 1", 5, 1, "indexes", doctor.Warning, []string{"extra contains version"}},
		{"CREATE INDEX extra ON sessions (data ->> 'x')", 5, 1, "indexes", doctor.Warning, []string{"extra contains data"}},
		{"CREATE INDEX extra ON sessions (created_at)", 0, 0, "indexes", doctor.OK, nil},
		{"UPDATE sessions_schema_migrations SET version = 9", 5, 1, "schema", doctor.Warning, []string{"9 is newer", "newer `sessions` program"}},
		{"UPDATE sessions_schema_migrations SET version = 3", 6, 1, "schema", doctor.Error, []string{"1 step pending", "`sessions migrate up`"}},
		{"UPDATE sessions_schema_migrations SET version = 2, dirty = true", 6, 1, "schema", doctor.Error, []string{"dirty", "`sessions migrate force VERSION`"}},
		{"DROP TABLE sessions_schema_migrations", 5, 1, "schema", doctor.Warning, []string{"by other means", "`sessions migrate force 4`"}},
		{"ALTER TABLE sessions_schema_migrations RENAME COLUMN dirty TO d", 5, 1, "schema", doctor.Warning, []string{"can't be read", "dirty"}},
		{"DROP TABLE sessions", 6, 1, "columns", doctor.Error, []string{"table sessions is missing", "`sessions migrate up`"}},
		{"ALTER TABLE sessions RENAME COLUMN expires_at TO e", 6, 3, "columns", doctor.Error, []string{"column expires_at is missing"}},
		{"ALTER TABLE sessions ADD COLUMN mine TEXT", 0, 1, "columns", doctor.Note, []string{"column mine"}},
		{"ALTER TABLE sessions ADD COLUMN mine TEXT NOT NULL DEFAULT ''", 0, 1, "columns", doctor.Note, []string{"column mine"}},
		{"ALTER TABLE sessions DROP COLUMN extra", 6, 2, "columns", doctor.Error, []string{"column extra is missing"}},
		{"PRAGMA journal_mode = delete", 5, 1, "journal", doctor.Warning, []string{"journal mode delete", "journal_mode(WAL)"}},
	} {
		t.Run(test.statement, func(t *testing.T) {
			db, url := migrated(t)
			spoil(t, db, test.statement)
			d := diagnose(t, url, test.code)
			d.alone(t, test.count)
			d.want(t, test.check, test.status, test.texts...)
		})
	}
}

// A column that is not as the first step makes it.
func TestDoctorColumns(t *testing.T) {
	steps, err := migrations.Steps(migrations.SQLite, "", "")
	check(t, err)
	for _, test := range []struct {
		old, changed  string
		code, count   int
		check, status string
		texts         []string
	}{
		{`"version"             INTEGER NOT NULL`, "version TEXT NOT NULL", 6, 1, "columns", doctor.Error, []string{"column version is TEXT, and should be INTEGER"}},
		{`"created_at"          INTEGER NOT NULL`, "created_at INTEGER", 5, 1, "columns", doctor.Warning, []string{"column created_at must not allow NULL"}},
		{`"verifier"            BLOB`, "verifier BLOB NOT NULL", 6, 1, "columns", doctor.Error, []string{"column verifier must allow NULL"}},
		{`"format"              INTEGER NOT NULL DEFAULT 0`, "format INTEGER NOT NULL", 6, 1, "columns", doctor.Error, []string{"column format has no default, and should have 0"}},
		{`"format"              INTEGER NOT NULL DEFAULT 0`, "format INTEGER NOT NULL DEFAULT 7", 6, 1, "columns", doctor.Error, []string{"column format has the default 7, and should have 0"}},
		{`"pending"             INTEGER NOT NULL DEFAULT 0`, "pending INTEGER NOT NULL DEFAULT FALSE", 0, 0, "columns", doctor.OK, nil},
		{`"extra"               TEXT`, "extra TEXT, mine TEXT NOT NULL", 6, 1, "columns", doctor.Error, []string{"column mine is not the store's, and has no default and allows no NULL"}},
		{" NOT NULL PRIMARY KEY", " NOT NULL", 6, 1, "indexes", doctor.Error, []string{"primary key on id is missing", `CREATE UNIQUE INDEX "sessions_id_key" ON "sessions" ("id")`}},
	} {
		t.Run(test.changed, func(t *testing.T) {
			db, url := migrated(t)
			spoil(t, db, "DROP TABLE sessions")
			for _, step := range steps {
				spoil(t, db, strings.Replace(step.Up, test.old, test.changed, 1))
			}
			d := diagnose(t, url, test.code)
			d.alone(t, test.count)
			d.want(t, test.check, test.status, test.texts...)
		})
	}
}

// A table that another program made.
func TestDoctorForeignTable(t *testing.T) {
	db, url := migrated(t)
	spoil(t, db, "DROP TABLE sessions", "CREATE TABLE sessions (session_id TEXT NOT NULL, data TEXT)")
	d := diagnose(t, url, exitErrors)
	d.want(t, "columns", doctor.Error, "table sessions is another program's: its columns are session_id, data")
}

func TestDoctorContent(t *testing.T) {
	db, url := migrated(t)
	insert(t, db, 1, -25*time.Hour)
	d := diagnose(t, url, exitWarnings)
	d.alone(t, 1)
	d.want(t, "expired", doctor.Warning, "1 expired row, the oldest for 25 hours", "no reaper seems to run", "`sessions cleanup --every 5m`")

	spoil(t, db, "DELETE FROM sessions")
	insert(t, db, 2, time.Hour)
	spoil(t, db, `UPDATE sessions SET data = '"' || hex(zeroblob(40000)) || '"' WHERE rowid = 1`)
	diagnose(t, url, 0).want(t, "data", doctor.Note, "78.1 KiB", "default limit")
	spoil(t, db, `UPDATE sessions SET data = '"' || hex(zeroblob(1000000)) || '"' WHERE rowid = 1`)
	diagnose(t, url, exitWarnings).want(t, "data", doctor.Warning, "in 1 row it is over 1 MiB")

	spoil(t, db, "DELETE FROM sessions")
	insert(t, db, 3, time.Hour)
	insert(t, db, 1, -time.Hour)
	spoil(t, db, "UPDATE sessions SET format = 9 WHERE rowid <> 1") // one of them is dead
	d = diagnose(t, url, exitWarnings)
	d.alone(t, 1)
	d.want(t, "format", doctor.Warning, "2 live rows written by a later version of the program; this one answers 503 for them", "update the application")
}

func TestDoctorFile(t *testing.T) {
	_, url := migrated(t)
	path := strings.TrimPrefix(url, "sqlite:")
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm() != 0o600 || err != nil && file == path {
			t.Errorf("%s is made with mode %v, %v", file, info.Mode(), err)
		}
	}
	diagnose(t, url, exitErrors, "--table", "other").want(t, "columns", doctor.Error, "table other is missing", "`sessions migrate up --table other`")

	run(t, "sqlite:"+filepath.Join(t.TempDir(), "none.db"), "doctor").wantError(t, exitFailure, "there is no file")
	run(t, url, "doctor", "--timeout", "0s").wantError(t, exitUsage, "--timeout")
	run(t, url, "doctor", "now").wantError(t, exitUsage, `"now"`)
}
