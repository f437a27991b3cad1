package migrator

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/internal/ident"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/product"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/migrations"
)

// An engine is what differs between databases.
type engine struct {
	versions       string // the version table, quoted
	versionsExist  string // "" to tell by the error
	createVersions string
	transactional  bool   // DDL can be rolled back
	tableExists    string // one of that name, whatever made it
	development    string // a table with the columns of a development version: no id, but key, handle and reap_after
	lock, unlock   func(*driver) error
	server         string // two texts that tell product and version
	product        func(a, b string) product.Server
}

// absent reports whether the version table is missing, by MySQL's own answer: nothing else
// tells a table that is missing from one that the user may not see. It goes by the text and
// not by package myerr, because that would link MySQL's driver into every program that
// migrates.
func (e engine) absent(err error) bool {
	return err != nil && e.versionsExist == "" && strings.Contains(strings.ToLower(err.Error()), "error 1146")
}

// taken reports whether a name that a step gives is another table's or index's. SQLite tells by
// its text alone. On MySQL, where no index is in another's way, a step that stopped half-way may
// have made it.
func (e engine) taken(err error) bool {
	return e.transactional && (pgerr.TableExists(err) || strings.Contains(err.Error(), "already exists"))
}

const cleanupTimeout = 5 * time.Second

// engines take names that have been checked, so they can stand in a statement as they are.
var engines = map[migrations.Dialect]func(schema, table, versions string, wait time.Duration) engine{
	migrations.PostgreSQL: postgres, migrations.MySQL: mysql, migrations.SQLite: sqlite,
}

func lockID(schema, name string) uint32 {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "sessions migrations\x00%s\x00%s", schema, name)
	return h.Sum32()
}

var errLocked = errors.New("another migration is running and did not end within LockTimeout")

// postgres runs everything in one transaction. The lock belongs to that
// transaction and not to the connection, and so it works behind PgBouncer.
func postgres(schema, table, name string, wait time.Duration) engine {
	versions := ident.Join(schema, name, `"`)
	return engine{
		versions:      versions,
		versionsExist: fmt.Sprintf("SELECT to_regclass('%s') IS NOT NULL", versions),
		tableExists: fmt.Sprintf("SELECT count(*) > 0 FROM pg_catalog.pg_tables WHERE schemaname = coalesce(nullif('%s', ''), current_schema()) AND tablename = '%s'",
			schema, table),
		development: fmt.Sprintf("SELECT coalesce(sum(CASE attname WHEN 'id' THEN -1 ELSE 1 END), 0) = 3 FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('%s') AND attname IN ('id', 'key', 'handle', 'reap_after')",
			ident.Join(schema, table, `"`)),
		createVersions: fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)", versions),
		transactional:  true,
		server:         "SELECT version(), current_setting('server_version')",
		product:        product.PostgreSQL,
		lock: func(d *driver) error {
			if err := d.exec("BEGIN"); err != nil {
				return err
			}
			d.locked = true // so that Close ends the transaction
			err := d.exec(
				fmt.Sprintf("SET LOCAL lock_timeout = %d", wait.Milliseconds()),
				fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", lockID(schema, name)),
				"SET LOCAL lock_timeout TO DEFAULT",
			)
			if pgerr.LockTimeout(err) {
				return errLocked
			}
			return err
		},
		unlock: endTransaction,
	}
}

// sqlite does the same with the one write lock that a database has.
func sqlite(_, table, name string, wait time.Duration) engine {
	versions := `"` + name + `"`
	return engine{
		versions:       versions,
		versionsExist:  fmt.Sprintf("SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = '%s'", name),
		tableExists:    fmt.Sprintf("SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = '%s'", table),
		development:    fmt.Sprintf("SELECT coalesce(sum(CASE name WHEN 'id' THEN -1 ELSE 1 END), 0) = 3 FROM pragma_table_info('%s') WHERE name IN ('id', 'key', 'handle', 'reap_after')", table),
		createVersions: fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (version integer NOT NULL PRIMARY KEY, dirty boolean NOT NULL)", versions),
		transactional:  true,
		server:         "SELECT sqlite_version(), ''",
		product:        func(version, _ string) product.Server { return product.SQLite(version) },
		lock:           func(d *driver) error { return lockFile(d, wait) },
		unlock:         func(d *driver) error { return commitFile(d, wait) },
	}
}

// lockFile waits a little at a time, because SQLite's own waiting ignores the context.
func lockFile(d *driver, wait time.Duration) error {
	const once = 50 * time.Millisecond
	var before int
	if err := d.conn.QueryRowContext(d.ctx, "PRAGMA busy_timeout").Scan(&before); err != nil {
		return err
	}
	if err := d.exec(fmt.Sprintf("PRAGMA busy_timeout = %d", once.Milliseconds())); err != nil {
		return err
	}
	defer func() { // the connection is the pool's
		_, _ = d.conn.ExecContext(context.WithoutCancel(d.ctx), fmt.Sprintf("PRAGMA busy_timeout = %d", before))
	}()
	for deadline := time.Now().Add(wait); ; {
		err := d.exec("BEGIN IMMEDIATE")
		if err == nil {
			d.locked = true // so that Close ends the transaction
			return nil
		}
		if d.failed = false; !strings.Contains(err.Error(), "locked") {
			return err
		}
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
		if time.Now().After(deadline) {
			return errLocked
		}
	}
}

// locked reports whether SQLite refused a statement because of another connection. Without
// WAL readers keep a commit from the file, and a commit keeps readers from it.
func locked(err error) bool { return strings.Contains(err.Error(), "database is locked") }

// commitFile tries again, because a refused commit leaves the transaction open.
func commitFile(d *driver, wait time.Duration) error {
	failed := d.failed
	return retry.Do(d.ctx, int(wait/(10*time.Millisecond))+1, locked, func() error {
		d.failed = failed // by a step, and not by a commit
		return endTransaction(d)
	})
}

func endTransaction(d *driver) error {
	if !d.failed {
		err := d.exec("COMMIT")
		d.locked = err != nil // so that Close does not give the connection back with the transaction in it
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), cleanupTimeout)
	defer cancel()
	_, err := d.conn.ExecContext(ctx, "ROLLBACK")
	d.locked = err != nil
	return nil // the failure itself is reported
}

// mysql commits each DDL statement by itself, so what stops half-way is marked
// dirty. The lock belongs to the connection.
func mysql(schema, table, name string, wait time.Duration) engine {
	versions := ident.Join(schema, name, "`")
	// At most 64 characters. Not MD5, which MySQL 9.6 took out of the server.
	lock := fmt.Sprintf("CONCAT('sessions:%d:', LEFT(SHA2(COALESCE(DATABASE(), ''), 256), 40))", lockID(schema, name))
	return engine{
		versions:       versions,
		createVersions: fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (version BIGINT NOT NULL PRIMARY KEY, dirty BOOLEAN NOT NULL) ENGINE = InnoDB", versions),
		tableExists: fmt.Sprintf("SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = COALESCE(NULLIF('%s', ''), DATABASE()) AND table_name = '%s'",
			schema, table),
		development: fmt.Sprintf("SELECT COALESCE(SUM(CASE column_name WHEN 'id' THEN -1 ELSE 1 END), 0) = 3 FROM information_schema.columns WHERE table_schema = COALESCE(NULLIF('%s', ''), DATABASE()) AND table_name = '%s' AND column_name IN ('id', 'key', 'handle', 'reap_after')",
			schema, table),
		server:  "SELECT VERSION(), @@version_comment",
		product: product.MySQL,
		lock: func(d *driver) error {
			var got *int
			query := fmt.Sprintf("SELECT GET_LOCK(%s, %d)", lock, int(wait.Seconds()))
			if err := d.conn.QueryRowContext(d.ctx, query).Scan(&got); err != nil {
				return err
			}
			if got == nil || *got != 1 {
				return errLocked
			}
			return nil
		},
		unlock: func(d *driver) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), cleanupTimeout)
			defer cancel()
			_, err := d.conn.ExecContext(ctx, fmt.Sprintf("DO RELEASE_LOCK(%s)", lock))
			d.locked = err != nil
			return err
		},
	}
}
