package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

const (
	local = "local" // in place of a URL: start a server of our own
	none  = "none"
)

// arguments are those of our own servers: whatever is committed is on the disk.
var arguments = map[servers.Engine][]string{
	servers.PostgreSQL: {
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on",
		"-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=1h",
		"-c", "maintenance_work_mem=512MB",
	},
	servers.MySQL: {
		"--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--innodb-log-file-size=2G",
	},
}

// asked are the settings that are read back, so that nobody has to believe the above.
var asked = map[servers.Engine][]string{
	servers.PostgreSQL: {"fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "checkpoint_timeout", "autovacuum", "autovacuum_naptime"},
	servers.MySQL:      {"innodb_flush_log_at_trx_commit", "innodb_flush_method", "innodb_doublewrite", "log_bin", "innodb_buffer_pool_size"},
}

// A bench is a server with what is needed to measure on it.
type bench struct {
	*plan
	name     string // of the measurement
	engine   servers.Engine
	product  string
	url      string
	admin    *sql.DB
	owned    *servers.Server // nil for one that was given
	out, log io.Writer
}

func open(ctx context.Context, p *plan, engine servers.Engine, out, log io.Writer) (_ *bench, err error) {
	b := &bench{plan: p, engine: engine, url: p.where[engine], out: out, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.url == local {
		cache := "2GB"
		if p.rows > 2_000_000 && p.wants("rows") {
			cache = "8GB" // a large table has to fit in, with its indexes
		}
		args := append(slices.Clone(arguments[engine]), "-c", "shared_buffers="+cache)
		if engine == servers.MySQL {
			args = append(slices.Clone(arguments[engine]), "--innodb-buffer-pool-size="+strings.TrimSuffix(cache, "B"))
		}
		if b.owned, err = servers.StartWith(ctx, engine, log, args...); err != nil {
			return nil, err
		}
		b.url = b.owned.URL()
	}
	if b.admin, err = openDB(engine, b.url); err != nil {
		return nil, err
	}
	b.admin.SetMaxIdleConns(1)
	var version string
	if err = b.admin.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return nil, fmt.Errorf("scale: the %s server does not answer: %w", engine, err)
	}
	switch number, _, maria := strings.Cut(version, "-MariaDB"); {
	case engine == servers.PostgreSQL:
		b.product = strings.Join(strings.Fields(version)[:2], " ")
	case maria:
		b.product = "MariaDB " + number
	default:
		b.product = "MySQL " + version
	}
	return b, nil
}

func (b *bench) close() (err error) {
	if b.admin != nil {
		err = b.admin.Close()
	}
	if b.owned != nil {
		err = errors.Join(err, b.owned.Close())
	}
	return err
}

func (b *bench) settings(ctx context.Context) (string, error) {
	var all []string
	for _, name := range asked[b.engine] {
		query := "SELECT current_setting('" + name + "')"
		if b.engine == servers.MySQL {
			query = "SELECT @@" + name
		}
		var value string
		if err := b.admin.QueryRowContext(ctx, query).Scan(&value); err != nil {
			return "", fmt.Errorf("scale: read the setting %s: %w", name, err)
		}
		all = append(all, name+"="+value)
	}
	return strings.Join(all, ", "), nil
}

// pick returns the text for the bench's engine.
func (b *bench) pick(postgres, mysql string) string {
	if b.postgres() {
		return postgres
	}
	return mysql
}

func (b *bench) postgres() bool { return b.engine == servers.PostgreSQL }

// size returns n for a full run, or a smaller number for a short one.
func (b *bench) size(n, short int) int {
	if b.short {
		return short
	}
	return n
}

func (b *bench) printf(format string, args ...any) {
	fmt.Fprintf(b.out, format+"\n", args...)
}

// progressf says on the side what takes long.
func (b *bench) progressf(format string, args ...any) {
	fmt.Fprintf(b.log, "%s %s %s: %s\n", time.Now().Format(time.TimeOnly), b.product, b.name, fmt.Sprintf(format, args...))
}

// detailf prints a number that no target is about.
func (b *bench) detailf(format string, args ...any) {
	b.printf("%s, %s: %s", b.name, b.product, fmt.Sprintf(format, args...))
}

// resultf prints a number with the one that was wanted.
func (b *bench) resultf(met bool, wanted, format string, args ...any) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	b.detailf("%s (wanted %s: %s; load of the machine %s)", fmt.Sprintf(format, args...), wanted, verdict, load())
}
