// Package migrations holds the SQL that creates the sessions table, for each
// database, as versioned steps up and down.
//
// There are three ways to run it: the CLI (sessions migrate up), package
// migrator from a program, or a migration tool of your own, over [FS] or [Steps]. Give that
// tool a table of versions that is not your application's: these versions begin at 1.
// The migrate command of golang-migrate, with x-migrations-table=sessions_schema_migrations
// in its URL, shares that of the CLI.
package migrations

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/internal/ident"
)

// FS holds one folder a [Dialect], with files named VERSION_TITLE.up.sql and
// .down.sql, one statement each, for a table named sessions.
//
//go:embed postgres/*.sql mysql/*.sql sqlite/*.sql
var FS embed.FS

// A Dialect is a folder of [FS].
type Dialect string

// The dialects there are.
const (
	PostgreSQL Dialect = "postgres"
	MySQL      Dialect = "mysql" // and MariaDB
	SQLite     Dialect = "sqlite"
)

// DefaultTable is the table that [FS] creates.
const DefaultTable = "sessions"

// A Step is one migration.
type Step struct {
	Version uint
	Title   string
	Up      string // one SQL statement with comments before it
	Down    string
}

// Steps returns the migrations of a dialect in order, for a table and schema
// (a database, on MySQL) of your own. "" is [DefaultTable], and the schema that
// the connection is in.
func Steps(d Dialect, schema, table string) ([]Step, error) {
	table = cmp.Or(table, DefaultTable)
	names, err := names(d, schema, table)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	files, err := fs.Glob(FS, string(d)+"/*.up.sql")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	steps := make([]Step, 0, len(files)) // sorted, as fs.Glob is
	for _, file := range files {
		base := strings.TrimSuffix(path.Base(file), ".up.sql")
		number, title, _ := strings.Cut(base, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("migrations: file name %s: %w", file, err)
		}
		up, err := FS.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		down, err := FS.ReadFile(path.Join(path.Dir(file), base+".down.sql"))
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		steps = append(steps, Step{
			Version: uint(version), Title: strings.ReplaceAll(title, "_", " "),
			Up: names.Replace(string(up)), Down: names.Replace(string(down)),
		})
	}
	return steps, nil
}

// names puts the caller's names in the place of the quoted ones in the files:
// the table, and what is named after it.
func names(d Dialect, schema, table string) (*strings.Replacer, error) {
	quote := `"`
	switch d {
	case PostgreSQL, SQLite:
	case MySQL:
		quote = "`"
	default:
		return nil, fmt.Errorf("unknown dialect %q; use %s, %s or %s", string(d), PostgreSQL, MySQL, SQLite)
	}
	full, err := ident.Table(schema, table, quote)
	if err != nil {
		return nil, err
	}
	pairs := []string{
		quote + DefaultTable + quote, full,
		quote + DefaultTable + "_", quote + table + "_",
	}
	if schema != "" && d != MySQL { // an index is dropped from its schema, but made in its table's
		pairs = append([]string{"DROP INDEX " + quote + DefaultTable + "_", "DROP INDEX " + quote + schema + quote + "." + quote + table + "_"}, pairs...)
	}
	return strings.NewReplacer(pairs...), nil
}
