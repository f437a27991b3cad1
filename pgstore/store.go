// Package pgstore keeps sessions in PostgreSQL 14 or later, through a
// [database/sql.DB] with any driver or a [pgxpool.Pool]. mysqlstore and sqlitestore have
// the same shape: New, With, Options and Store; NewPool is pgstore's alone, and SQLite has
// neither Schema nor OneByOne.
//
// The table is made by the migrations of this module: run `sessions migrate up`.
package pgstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/batch"
	"github.com/sqlsessions/sessions/internal/cause"
	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/pgerr"
)

// A Store is a [driver.Store] on one table. It holds no connection between calls,
// needs no closing, and is safe for concurrent use. While more calls run than there are
// connections, than 16, or than 4 if the server is busy, it sends loads, saves, touches and
// creates of many sessions as one statement; see [Options].OneByOne.
type Store struct {
	driver.Store
	table *table // and not its pool, of which fmt would show the password for %s
}

// New returns a store on the table "sessions" of the database. It does not touch the
// database.
func New(db *sql.DB) *Store { return newStore(&checked{db: sqlDB{db}}, `"sessions"`, false) }

// NewPool is New for a pgx pool, which is faster.
func NewPool(p *pgxpool.Pool) *Store { return newStore(&checked{db: pool{p}}, `"sessions"`, false) }

// Options choose the table and how it is used. The zero value is the default.
type Options struct {
	// Table is 1 to 45 ASCII letters, digits and underscores, not beginning with
	// a digit; upper and lower case differ. Defaults to "sessions".
	Table string

	// Schema follows the same rules. Defaults to the connections' search_path.
	Schema string

	// OneByOne sends each call as a statement of its own, however many wait.
	// Statements that carry several calls have no caller's context values.
	// Defaults to false.
	OneByOne bool
}

// With returns a store on the same database with these options. The error wraps
// [driver.ErrInvalid].
func (s *Store) With(o Options) (*Store, error) {
	name, err := ident.Table(o.Schema, cmp.Or(o.Table, "sessions"), `"`)
	if err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	return newStore(s.table.db, name, o.OneByOne), nil
}

// A table is the store's methods. It implements [batch.Table] and [native.Table].
type table struct {
	db   db
	name string
	sql  []string // the statements, by their IDs
	due  dueList
	idle duration
}

func newStore(db db, name string, oneByOne bool) *Store {
	t := &table{db: db, name: name, sql: statements.Fill("$TABLE", name)}
	var rows native.Rows = t
	if !oneByOne {
		rows = batch.New(t)
	}
	return &Store{native.New("pgstore", rows, t), t}
}

func (t *table) Explain(ctx context.Context, err error) error {
	return cause.Add(ctx, pgerr.Explain(err, t.name, native.Misfit), pgerr.Canceled)
}

// Refused includes rows that can't be read, so that they harm no others.
func (t *table) Refused(err error) bool { return pgerr.Refused(err) || errors.Is(err, errUnreadable) }

func (t *table) Connections() int { return t.db.size() }
