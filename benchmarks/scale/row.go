package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
)

// row asks what a session costs: its bytes on the disk, and those of the server's log for a new
// token and for a login. Sessions are created at a fixed rate. Faster than real traffic, many would
// have the same millisecond in their IDs, and InnoDB would split pages in the middle.
func row(ctx context.Context, b *bench) (err error) {
	t, err := b.table(ctx, b.loose())
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, t) }()
	n := b.size(200_000, 10_000)
	visitors, err := newSite(t.store, sessions.Options{}, n)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := parallel(ctx, n, func(_, i int) error {
		await(begin, i, b.rate)
		user := ""
		if !anonymous(i) {
			user = someUser()
		}
		return visitors.click(ctx, i, "/begin", user)
	}); err != nil {
		return err
	}
	rate := float64(n) / time.Since(begin).Seconds()
	each, parts, err := t.perRow(ctx, n)
	if err != nil {
		return err
	}
	most := 480
	if b.postgres() {
		most = 500
	}
	b.resultf(each <= most, fmt.Sprintf("%d or less", most), "%d sessions with a value of 180 bytes, every second with a user, created through the middleware at %.0f a second: %d bytes a row with all indexes (%s)",
		n, rate, each, parts)
	if err := t.renewals(ctx, visitors); err != nil {
		return err
	}
	if each, parts, err = t.perRow(ctx, n); err == nil {
		b.detailf("after all that %d bytes a row (%s)", each, parts)
	}
	return err
}

// anonymous tells whether the visitor i begins without a user, as every second one does.
func anonymous(i int) bool { return i%2 == 1 }

// someUser is a random one, since users do not come in the order of their names.
func someUser() string { return fmt.Sprintf("user%06d", rand.IntN(1_000_000)) }

// perRow is how many bytes a row takes in the table's files, and which part of that each index is.
// Within InnoDB's files and PostgreSQL's table the rest is the rows and room.
func (t *table) perRow(ctx context.Context, n int) (each int, parts string, err error) {
	if err := t.settle(ctx); err != nil {
		return 0, "", err
	}
	size, err := t.file(ctx)
	if err != nil {
		return 0, "", err
	}
	err = t.db.QueryRowContext(ctx, t.pick(
		`SELECT string_agg(indexrelid::regclass || ' ' || pg_relation_size(indexrelid) / $1::bigint, ', ') FROM pg_index WHERE indrelid = 'sessions'::regclass`,
		`SELECT GROUP_CONCAT(index_name, ' ', stat_value * @@innodb_page_size DIV ? SEPARATOR ', ') FROM mysql.innodb_index_stats
			WHERE database_name = DATABASE() AND table_name = 'sessions' AND stat_name = 'size'`), n).Scan(&parts)
	return int(size) / n, parts, err
}

// file is how many bytes the table takes on the disk with its indexes.
func (t *table) file(ctx context.Context) (int64, error) {
	if t.postgres() {
		return t.int(ctx, "SELECT pg_total_relation_size('sessions')")
	}
	spaces := "innodb_tablespaces"
	if strings.HasPrefix(t.product, "MariaDB") {
		spaces = "innodb_sys_tablespaces"
	}
	return t.int(ctx, "SELECT file_size FROM information_schema."+spaces+" WHERE name = '"+t.database+"/sessions'")
}

// renewals measures new tokens and logins of random sessions. PostgreSQL writes a whole page to its
// log when the page changes for the first time after a checkpoint, so each is measured after steps
// in which all pages did, and again just after a checkpoint.
func (t *table) renewals(ctx context.Context, visitors *site) error {
	everybody := rand.Perm(len(visitors.cookies))
	nobody := slices.DeleteFunc(slices.Clone(everybody), func(i int) bool { return !anonymous(i) })
	few, many := len(everybody)/100, len(everybody)/10
	for _, step := range []struct {
		what, path string
		who        []int
		checkpoint bool
	}{
		{"a new token for everybody", "/regenerate", everybody, false},
		{"new tokens", "/regenerate", everybody[:many], false},
		{"logins, to warm up", "/login", nobody[:3*many], false},
		{"logins", "/login", nobody[3*many : 4*many-few], false},
		{"new tokens just after a checkpoint", "/regenerate", everybody[:few], true},
		{"new tokens just after a checkpoint", "/regenerate", everybody[:many], true},
		{"logins just after a checkpoint", "/login", nobody[4*many-few : 4*many], true},
		{"logins just after a checkpoint", "/login", nobody[4*many : 5*many], true},
	} {
		if step.checkpoint {
			if !t.postgres() {
				continue
			}
			if _, err := t.exec(ctx, "CHECKPOINT"); err != nil {
				return err
			}
		}
		var written int64
		run := func() (err error) {
			written, err = t.written(ctx, func() error {
				return parallel(ctx, len(step.who), func(_, i int) error {
					return visitors.click(ctx, step.who[i], step.path, someUser())
				})
			})
			return err
		}
		if !t.postgres() {
			if err := run(); err != nil {
				return err
			}
			t.detailf("%d %s: %d bytes of redo log each", len(step.who), step.what, written/int64(len(step.who)))
			continue
		}
		s, err := t.share(ctx, len(step.who), run)
		if err != nil {
			return err
		}
		t.detailf("%d %s: %d bytes of WAL each; %s", len(step.who), step.what, written/int64(len(step.who)), s)
	}
	return nil
}

// written is how many bytes the server writes to its log meanwhile.
func (t *table) written(ctx context.Context, run func() error) (n int64, err error) {
	journal := func() (n int64, err error) {
		if t.postgres() {
			return t.int(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
		}
		err = t.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'").Scan(new(string), &n)
		return n, err
	}
	before, err := journal()
	if err == nil {
		err = run()
	}
	if err != nil {
		return 0, err
	}
	after, err := journal()
	return after - before, err
}
