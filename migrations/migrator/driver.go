package migrator

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/golang-migrate/migrate/v4/database"

	"github.com/sqlsessions/sessions/internal/retry"
)

// driver is what golang-migrate works through. Its own drivers close the
// caller's pool, know no context, and bring a client library each; this one
// borrows a connection and gives it back.
type driver struct {
	ctx    context.Context // golang-migrate passes none
	conn   *sql.Conn
	engine engine
	target int                    // the version that the running step leads to
	run    func(target int) error // runs that step
	locked bool
	failed bool
}

func (d *driver) Open(string) (database.Driver, error) {
	return nil, errors.New("migrator: not opened by URL")
}

// Drop is refused: it would drop the application's tables too.
func (d *driver) Drop() error { return errors.New("migrator: drop is not supported") }

func (d *driver) exec(queries ...string) error {
	for _, query := range queries {
		if _, err := d.conn.ExecContext(d.ctx, query); err != nil {
			d.failed = true
			return err
		}
	}
	return nil
}

// Lock waits for other migrators, and then makes sure of the version table.
func (d *driver) Lock() error {
	if err := d.engine.lock(d); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	d.locked = true
	return d.exec(d.engine.createVersions)
}

// Unlock lets the next one in. Where DDL is transactional, this is what commits
// all steps, or none.
func (d *driver) Unlock() error {
	if !d.locked {
		return nil
	}
	d.locked = false
	return d.engine.unlock(d)
}

// Run runs the step that leads to the target. The reader has no text, see [steps.read],
// and ends when golang-migrate has noted what it writes down about the step.
func (d *driver) Run(end io.Reader) error {
	if _, err := io.Copy(io.Discard, end); err != nil {
		return err
	}
	return d.run(d.target)
}

func (d *driver) SetVersion(version int, dirty bool) error {
	d.target = version
	// All of them; the condition is for MySQL's sql_safe_updates.
	queries := []string{"DELETE FROM " + d.engine.versions + " WHERE version >= -1"}
	if version >= 0 || dirty {
		queries = append(queries, fmt.Sprintf("INSERT INTO %s (version, dirty) VALUES (%d, %t)", d.engine.versions, version, dirty))
	}
	if d.engine.transactional {
		return d.exec(queries...)
	}
	// A crash between the two must not leave a database without a version, nor a refusal a
	// transaction in a connection of the application's.
	tx, err := d.conn.BeginTx(d.ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	for _, query := range queries {
		if _, err := tx.ExecContext(d.ctx, query); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Version is also read before the lock is taken.
func (d *driver) Version() (version int, dirty bool, err error) {
	const tries = 500 // some seconds
	version = database.NilVersion
	err = retry.Do(d.ctx, tries, locked, func() error {
		return d.readVersion(&version, &dirty)
	})
	return version, dirty, err
}

// readVersion leaves both as they are if no version is noted.
func (d *driver) readVersion(version *int, dirty *bool) error {
	// The version noted for a development version's table is that of other steps.
	var old bool
	if err := d.conn.QueryRowContext(d.ctx, d.engine.development).Scan(&old); err != nil {
		return err
	}
	if old {
		return ErrDevelopment
	}
	if d.engine.versionsExist != "" {
		var there bool
		if err := d.conn.QueryRowContext(d.ctx, d.engine.versionsExist).Scan(&there); err != nil || !there {
			return err
		}
	}
	err := d.conn.QueryRowContext(d.ctx, "SELECT version, dirty FROM "+d.engine.versions).Scan(version, dirty)
	if errors.Is(err, sql.ErrNoRows) || d.engine.absent(err) {
		return nil
	}
	return err
}

// fits makes sure that the statements of the steps are for this server, and that no other table
// has the name: on MySQL the step that fails would leave the database dirty, and advice to go on
// from there would take the table for ours.
func (d *driver) fits(version int) error {
	var a, b string
	if err := d.conn.QueryRowContext(d.ctx, d.engine.server).Scan(&a, &b); err != nil {
		return fmt.Errorf("which server is it: %w", err)
	}
	server := d.engine.product(a, b)
	if problem := server.Problem(); problem != "" {
		if server.Foreign() {
			problem += "; what `sessions migrate print` shows can be run there by hand"
		}
		return fmt.Errorf("%w: %w", ErrServer, errors.New(problem))
	}
	if version >= 1 {
		return nil
	}
	var there bool
	if err := d.conn.QueryRowContext(d.ctx, d.engine.tableExists).Scan(&there); err != nil || !there {
		return err
	}
	// Another migrator may have made it just now. It notes the version first, or both at once.
	if version, _, err := d.Version(); err != nil || version != database.NilVersion {
		return err
	}
	return ErrTaken
}

// Close gives the connection back, or throws it away when it might still be in
// a transaction or hold the lock.
func (d *driver) Close() error {
	if d.locked {
		_ = d.conn.Raw(func(any) error { return sqldriver.ErrBadConn })
	}
	return d.conn.Close()
}
