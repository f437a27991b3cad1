// Package migrator runs the migrations of package migrations from a program,
// with golang-migrate. It is a package of its own because that is a dependency
// which a program that only uses a store should not have.
package migrator

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/golang-migrate/migrate/v4"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
)

// The errors wrap one of these, which wrap [sessions.ErrSchema].
var (
	// ErrDirty: a migration stopped half-way, which only MySQL can leave behind.
	ErrDirty = fmt.Errorf("%w: a migration stopped half-way", sessions.ErrSchema)
	// ErrNewer: the database has migrations that this program does not know. A
	// program that migrates when it starts can go on, because it works with the table
	// of the next version too.
	ErrNewer = fmt.Errorf("%w: it is newer than this program", sessions.ErrSchema)
	// ErrTaken: there is a table of the wanted name that no migration made, or another table
	// has an index of the wanted name, such as one that was renamed. Nothing was changed.
	ErrTaken = fmt.Errorf("%w: there is a table or an index of that name already, which no migration made for this one", sessions.ErrSchema)
	// ErrDevelopment: a development version from before the first release made the table,
	// and no migration starts from it. Nothing was changed.
	ErrDevelopment = fmt.Errorf("%w: a development version made the table; drop it with its table of versions, and migrate again", sessions.ErrSchema)
	// ErrServer: the server is too old, or of another product. Nothing was changed.
	ErrServer = fmt.Errorf("%w: the server is not supported", sessions.ErrSchema)
)

// Options choose another table. The names must be those the store is given.
type Options struct {
	Table  string // defaults to "sessions"
	Schema string // defaults to the one the connection is in; SQLite has none

	// LockTimeout is how long to wait for another migrator.
	// Defaults to 1 minute.
	LockTimeout time.Duration

	// OnStep is called after each step. Defaults to none.
	OnStep func(step migrations.Step, up bool)
}

// A Migrator changes the schema of one sessions table. It borrows one
// connection of the pool for each call and leaves the pool open. Any number of
// processes may call it at the same time: one works and the others wait.
type Migrator struct {
	connect func(context.Context) (*sql.Conn, error) // and not the pool, of which fmt would show the password for %s
	options Options
	steps   steps
	engine  engine
}

// New returns a migrator. It does not touch the database. The error wraps
// [sessions.ErrInvalid].
func New(db *sql.DB, dialect migrations.Dialect, o Options) (*Migrator, error) {
	o.Table = cmp.Or(o.Table, migrations.DefaultTable)
	o.LockTimeout = cmp.Or(o.LockTimeout, time.Minute)
	list, err := migrations.Steps(dialect, o.Schema, o.Table)
	if err != nil {
		return nil, err
	}
	if dialect == migrations.SQLite && o.Schema != "" {
		return nil, fmt.Errorf("%w: SQLite has no schemas; leave Schema out", sessions.ErrInvalid)
	}
	e := engines[dialect](o.Schema, o.Table, o.Table+"_schema_migrations", o.LockTimeout)
	return &Migrator{connect: db.Conn, options: o, steps: list, engine: e}, nil
}

// A Status is the version of a database.
type Status struct {
	Version uint // of the last step that ran; 0 is none
	Dirty   bool // that step stopped half-way, or is running
	Latest  uint // the last step this program knows
	Pending []migrations.Step
}

// Status reads the current version and changes nothing.
func (m *Migrator) Status(ctx context.Context) (Status, error) {
	status := Status{Latest: uint(len(m.steps))}
	err := m.with(ctx, func(_ *migrate.Migrate, d *driver) error {
		version, dirty, err := d.Version()
		status.Version, status.Dirty = uint(max(version, 0)), dirty
		return err
	})
	if err == nil && status.Version < status.Latest {
		status.Pending = m.steps[status.Version:]
	}
	return status, err
}

// Up runs all pending steps and returns how many there were. On PostgreSQL and
// SQLite an error leaves everything as it was.
func (m *Migrator) Up(ctx context.Context) (int, error) {
	return m.run(ctx, true, func(mig *migrate.Migrate) error { return mig.Up() })
}

// Down reverts the last n steps and returns how many it reverted. Reverting the first
// step drops the table with all sessions in it.
func (m *Migrator) Down(ctx context.Context, n int) (int, error) {
	if n < 1 {
		return 0, fmt.Errorf("%w: Down needs a number of steps of 1 or more, not %d", sessions.ErrInvalid, n)
	}
	return m.run(ctx, false, func(mig *migrate.Migrate) error { return mig.Steps(-n) })
}

// Force records a version, 0 for none, and runs nothing. It is the way out of [ErrDirty]
// after the schema was repaired by hand.
func (m *Migrator) Force(ctx context.Context, version uint) error {
	if version > uint(len(m.steps)) {
		return fmt.Errorf("%w: there is no version %d; the latest is %d", sessions.ErrInvalid, version, len(m.steps))
	}
	target := int(version)
	if target == 0 {
		target = -1
	}
	return m.with(ctx, func(mig *migrate.Migrate, _ *driver) error { return mig.Force(target) })
}

func (m *Migrator) run(ctx context.Context, up bool, do func(*migrate.Migrate) error) (ran int, err error) {
	err = m.with(ctx, func(mig *migrate.Migrate, d *driver) error {
		version, _, err := d.Version() // dirty is looked at under the lock: it may be a migration that runs
		switch {
		case err != nil:
			return err
		case !up && version < 1:
			return nil // there is nothing left to revert
		case version > len(m.steps):
			return fmt.Errorf("%w: it is at version %d and this program knows up to %d; use the newer program", ErrNewer, version, len(m.steps))
		}
		if up && version < len(m.steps) {
			if err := d.fits(version); err != nil {
				return err
			}
		}
		d.run = func(target int) error {
			index := max(target, 0)
			if up {
				index = target - 1
			}
			step := m.steps[index]
			text := step.Down
			if up {
				text = step.Up
			}
			if err := d.exec(text); err != nil {
				if m.engine.taken(err) {
					err = fmt.Errorf("%w: %w", ErrTaken, err)
				}
				return fmt.Errorf("step %d (%s): %w", step.Version, step.Title, err)
			}
			ran++
			if m.options.OnStep != nil {
				m.options.OnStep(step, up)
			}
			return nil
		}
		err = do(mig)
		var short migrate.ErrShortLimit
		var stopped migrate.ErrDirty
		switch {
		case errors.Is(err, migrate.ErrNoChange), errors.As(err, &short):
			return nil // there was less to do than asked for
		case errors.As(err, &stopped):
			return fmt.Errorf("%w on its way to version %d; repair the table by hand, and then run `sessions migrate force` with the version that it is at",
				ErrDirty, max(stopped.Version, 0))
		}
		return err
	})
	if err != nil && m.engine.transactional {
		ran = 0
	}
	return ran, err
}

// with runs do on a borrowed connection.
func (m *Migrator) with(ctx context.Context, do func(*migrate.Migrate, *driver) error) error {
	conn, err := m.connect(ctx)
	if err != nil {
		return fmt.Errorf("migrator: connect: %w", err)
	}
	d := &driver{ctx: ctx, conn: conn, engine: m.engine}
	defer d.Close()
	mig, err := migrate.NewWithInstance("sessions", m.steps, "sessions", d)
	if err != nil {
		return fmt.Errorf("migrator: %w", err)
	}
	// Waiting is the database's to end, by LockTimeout or the context: golang-migrate
	// would give up and leave its goroutine with the connection.
	mig.LockTimeout = math.MaxInt64
	if err := do(mig, d); err != nil {
		return fmt.Errorf("migrator: %w", err)
	}
	return nil
}
