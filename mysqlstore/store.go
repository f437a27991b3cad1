// Package mysqlstore keeps sessions in MySQL 8.0.16 or later, or MariaDB 10.6 or
// later, through a [database/sql.DB] of the driver github.com/go-sql-driver/mysql. It has
// the shape of pgstore.
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/batch"
	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A Store is a [driver.Store] on one table. It holds no connection between calls,
// needs no closing, and is safe for concurrent use. It keeps up to 75 statements
// prepared on each connection of the pool. While more calls run than there are
// connections, than 16, or than 4 if the server is busy, it sends loads, saves, touches and
// creates of many sessions as one statement; see [Options].OneByOne.
type Store struct {
	driver.Store
	db *stmt.Cache
}

// New returns a store on the table "sessions" of the database. It does not touch the
// database.
func New(db *sql.DB) *Store { return newStore(mysqldb.Open(db), "`sessions`", false) }

// Options choose the table and how it is used. The zero value is the default.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores, not beginning with
	// a digit. Defaults to "sessions".
	Table string

	// Schema follows the same rules. Defaults to the connections' database.
	Schema string

	// OneByOne sends each call as a statement of its own, however many wait.
	// Statements that carry several calls have no caller's context values.
	// Defaults to false.
	OneByOne bool
}

// With returns a store on the same database with these options. The error wraps
// [driver.ErrInvalid].
func (s *Store) With(o Options) (*Store, error) {
	name, err := ident.Table(o.Schema, cmp.Or(o.Table, "sessions"), "`")
	if err != nil {
		return nil, fmt.Errorf("mysqlstore: %w", err)
	}
	return newStore(s.db, name, o.OneByOne), nil
}

// A table is the store's methods. It implements [batch.Table] and [native.Table].
type table struct {
	db     *stmt.Cache
	name   string
	sql    []string             // the statements, by their IDs
	reaped atomic.Pointer[mark] // where the last batch ended, nil for a new sweep

	galeraless     atomic.Bool // the server is a MariaDB that was built without Galera
	logsStatements atomic.Bool // binlog_format is STATEMENT
}

func newStore(db *stmt.Cache, name string, oneByOne bool) *Store {
	t := &table{db: db, name: name, sql: statements.Fill("$TABLE", name)}
	var rows native.Rows = t
	if !oneByOne {
		rows = batch.New(t)
	}
	return &Store{native.New("mysqlstore", rows, t), db}
}

func (t *table) Explain(ctx context.Context, err error) error {
	return cause.Add(ctx, myerr.Explain(err, t.name, native.Misfit), myerr.Transient)
}

func (t *table) Refused(err error) bool { return myerr.Refused(err) || errors.Is(err, errNotUTF8) }

func (t *table) Connections() int { return t.db.DB.Stats().MaxOpenConnections }

func (t *table) Lost(err error) (tries int) {
	if myerr.Lost(err) {
		return t.db.DB.Stats().OpenConnections + 1
	}
	return 0
}
