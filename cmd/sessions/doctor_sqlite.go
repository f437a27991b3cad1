package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/product"
)

var sqliteColumns = columnsOf(
	"id BLOB",
	"version INTEGER",
	"created_at INTEGER",
	"absolute_expires_at INTEGER",
	"expires_at INTEGER",
	"reap_after INTEGER",
	"authenticated_at INTEGER NULL",
	"ended_at INTEGER NULL",
	"keep_until INTEGER NULL",
	"previous_until INTEGER NULL",
	"format INTEGER DEFAULT 0",
	"pending INTEGER DEFAULT 0",
	"verifier BLOB NULL",
	"previous_verifier BLOB NULL",
	"user_id TEXT NULL",
	"label TEXT NULL",
	"ended_user TEXT NULL",
	"ended_reason TEXT NULL",
	"device_key BLOB NULL",
	"extra TEXT NULL",
	"data TEXT",
)

var sqliteTable = tableSQL{
	columns: `SELECT name, upper(type), NOT "notnull", dflt_value IS NOT NULL, coalesce(dflt_value, '') FROM pragma_table_info('$NAME') ORDER BY cid`,
	// Columns of expressions and conditions are in the statement alone.
	indexes: `SELECT l.name, l."unique", l.origin = 'pk', true,
			coalesce((SELECT group_concat(coalesce(name, '(expression)'), ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)), ''),
			coalesce((SELECT group_concat(c.name, ',') FROM pragma_table_info('$NAME') AS c WHERE
				c.name IN (SELECT name FROM pragma_index_info(l.name)) OR instr(substr(m.sql, instr(m.sql, '(')), '"' || c.name || '"')
				OR (l.partial OR EXISTS (SELECT 1 FROM pragma_index_info(l.name) WHERE name IS NULL)) AND instr(substr(m.sql, instr(m.sql, '(')), c.name)), ''),
			CASE WHEN l.partial THEN substr(m.sql, instr(upper(m.sql), ' WHERE ')) ELSE '' END
		FROM pragma_index_list('$NAME') AS l LEFT JOIN sqlite_master AS m ON m.type = 'index' AND m.name = l.name ORDER BY l.name`,
	// Both ends of the table are a look each; the rows between them are no more than this.
	rows: `SELECT coalesce((SELECT max(rowid) FROM $TABLE) - (SELECT min(rowid) FROM $TABLE) + 1, 0)`,
	exact: `SELECT count(*) FILTER (WHERE expires_at > now), count(*) FILTER (WHERE expires_at <= now),
			CAST(coalesce(now - min(expires_at) FILTER (WHERE expires_at <= now), 0) AS INTEGER),
			coalesce(avg(octet_length(data)), 0.0), coalesce(max(octet_length(data)), 0), count(*) FILTER (WHERE octet_length(data) > 1048576),
			count(*) FILTER (WHERE format > $FORMAT AND expires_at > now)
		FROM $TABLE, (SELECT CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) AS now)`,
	due: `SELECT count(*), coalesce(CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) - min(expires_at), 0)
		FROM (SELECT expires_at FROM $TABLE WHERE reap_after <= unixepoch('now', 'subsec') * 1000 AND expires_at <= unixepoch('now', 'subsec') * 1000 ORDER BY reap_after LIMIT 100001)`,
	sample: `SELECT count(*), coalesce(avg(octet_length(data)), 0.0), coalesce(max(octet_length(data)), 0), count(*) FILTER (WHERE octet_length(data) > 1048576)
		FROM (SELECT data FROM $TABLE LIMIT 10000)`,
	later: `SELECT count(*)
		FROM (SELECT format, expires_at FROM $TABLE ORDER BY id DESC LIMIT 10000)
		WHERE format > $FORMAT AND expires_at > unixepoch('now', 'subsec') * 1000`,
}

const (
	sqliteVersion = `SELECT sqlite_version()`
	// Stops at the first thing that is broken. It does not read the indexes against the rows.
	sqliteIntegrity = `PRAGMA quick_check(1)`
	sqliteSize      = `SELECT page_count * page_size, freelist_count * page_size FROM pragma_page_count, pragma_page_size, pragma_freelist_count`
)

func newSQLitePractice(d *database) practice {
	return practice{
		exams: []exam{
			{checkServer, sqliteExamServer, false},
			{"file", sqliteExamFile, false},
			{checkPrimary, sqliteExamWritable, false},
			{"journal", sqliteExamJournal, false},
			{"integrity", sqliteExamIntegrity, false},
			{checkColumns, tableColumns, false},
			{checkSchema, schemaVersion, false},
			{checkIndexes, tableIndexes, true},
			{checkContent, content, true},
			{checkSize, sqliteExamSize, true},
		},
		begin:  []string{"PRAGMA query_only = 1"},
		names:  strings.NewReplacer("$TABLE", `"`+d.table+`"`, "$NAME", d.table, "$VERSIONS", `"`+d.table+`_schema_migrations"`, "$FORMAT", strconv.Itoa(native.Format)),
		wanted: sqliteColumns, sql: sqliteTable,
		addPrimary: `run CREATE UNIQUE INDEX "` + d.table + `_id_key" ON $TABLE ("id")`,
		indexCost:  "then writes that index too",
		drop:       `DROP INDEX "%s"`,
	}
}

func sqliteExamServer(ctx context.Context, x *examination) error {
	var version string
	if err := x.get(ctx, sqliteVersion, &version); err != nil {
		return err
	}
	x.supported(product.SQLite(version))
	last := &x.report[len(x.report)-1]
	last.Text += " (in this program; your application brings its own)"
	return nil
}

// sqliteExamFile looks at who may read the file, and the log that is beside it.
func sqliteExamFile(_ context.Context, x *examination) error {
	var open []string
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(x.file + suffix)
		switch {
		case errors.Is(err, os.ErrNotExist) && suffix != "":
		case err != nil:
			return err
		case runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0: // Windows makes them up
			open = append(open, x.file+suffix)
		}
	}
	if len(open) > 0 {
		x.warn("all users of this machine may read "+strings.Join(open, " and ")+": the data of the sessions is in there, though not what would log somebody in",
			"run chmod o-rwx on it, and give the application a umask of 027 or stricter", open)
		return nil
	}
	x.ok("other users of this machine may not read the file", nil)
	return nil
}

func sqliteExamWritable(ctx context.Context, x *examination) error {
	conn, err := x.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driver any) error {
		is, ok := driver.(interface {
			IsReadOnly(schema string) (bool, error)
		})
		if !ok {
			return errors.New("the driver can't tell whether the file is read-only")
		}
		readOnly, err := is.IsReadOnly("main")
		switch {
		case err != nil:
			return err
		case readOnly:
			x.fail("the file is read-only for this user", "let the application's user write the file and its folder, and run doctor as that user", false)
		default:
			x.ok("the file takes changes", true)
		}
		return nil
	})
}

func sqliteExamJournal(ctx context.Context, x *examination) error {
	var mode string
	if err := x.get(ctx, "PRAGMA journal_mode", &mode); err != nil {
		return err
	}
	if mode != "wal" {
		x.warn(fmt.Sprintf("journal mode %s: readers and the writer wait for each other", mode), "open it with _pragma=journal_mode(WAL), or run PRAGMA journal_mode = WAL once, which the file remembers", mode)
		return nil
	}
	x.ok("journal mode wal", mode)
	return nil
}

func sqliteExamIntegrity(ctx context.Context, x *examination) error {
	var first string
	if err := x.get(ctx, sqliteIntegrity, &first); err != nil {
		return err
	}
	if first != "ok" {
		x.fail("the file is damaged: "+oneLine(errors.New(first)), "stop what uses it and restore it from a backup, or use the .recover command of the sqlite3 program", first)
		return nil
	}
	x.ok("the file is sound, as far as quick_check reads", first)
	return nil
}

func sqliteExamSize(ctx context.Context, x *examination) error {
	var all, free int64
	if err := x.get(ctx, sqliteSize, &all, &free); err != nil {
		return err
	}
	x.ok(fmt.Sprintf("the file takes %s, of which %s are free", size(all), size(free)), all)
	return nil
}
