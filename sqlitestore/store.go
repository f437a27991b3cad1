// Package sqlitestore keeps sessions in a SQLite file (SQLite 3.42 or later), through
// a [database/sql.DB] of any driver; it imports none. It has the shape of pgstore.
//
// Open the database with WAL journalling, or a long read, such as a backup, keeps
// sessions from being saved. With the driver modernc.org/sqlite:
//
//	file:sessions.db?_pragma=journal_mode(WAL)
//
// Several processes of one machine may use the file. The store itself waits for the file's
// lock, until the context ends. A busy timeout for statements of your own makes it notice
// that end later, by up to the timeout; keep it well below Options.Timeout.
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package sqlitestore

import (
	"cmp"
	"database/sql"
	"fmt"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/native"
)

// A Store is a [driver.Store] on one table. It holds no connection between
// calls, needs no closing, and is safe for concurrent use.
type Store struct {
	driver.Store
	db *db
}

// New returns a store on the table "sessions" of the database. It does not touch the
// database.
func New(db *sql.DB) *Store { return newStore(on(db), `"sessions"`) }

// Options choose the table. The zero value is the default.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores, not beginning with
	// a digit. Defaults to "sessions".
	Table string
}

// With returns a store on the same database with these options. The error wraps
// [driver.ErrInvalid].
func (s *Store) With(o Options) (*Store, error) {
	name, err := ident.Table("", cmp.Or(o.Table, "sessions"), `"`)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	return newStore(s.db, name), nil
}

// A table is the store's methods. It implements [native.Table].
type table struct {
	*db
	name string
	sql  []string // the statements, by their IDs
}

func newTable(db *db, name string) *table {
	return &table{db, name, statements.Fill("$TABLE", name)}
}

func newStore(db *db, name string) *Store {
	t := newTable(db, name)
	return &Store{native.New("sqlitestore", t, t), db}
}

// Lost returns 0: a connection to a file has nothing to lose.
func (t *table) Lost(error) (tries int) { return 0 }
