package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/product"
)

var sqliteQueries = queries{
	server:  `SELECT sqlite_version(), ''`,
	columns: `SELECT name, upper(type), NOT "notnull", dflt_value IS NOT NULL, coalesce(dflt_value, '') FROM pragma_table_info('$NAME') ORDER BY cid`,
	// The columns of expressions and conditions are only in the statement.
	indexes: `SELECT l.name, l."unique", true,
			coalesce((SELECT group_concat(coalesce(name, '(expression)'), ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)), ''),
			coalesce((SELECT group_concat(c.name, ',') FROM pragma_table_info('$NAME') AS c WHERE
				c.name IN (SELECT name FROM pragma_index_info(l.name)) OR instr(substr(m.sql, instr(m.sql, '(')), '"' || c.name || '"')
				OR (l.partial OR EXISTS (SELECT 1 FROM pragma_index_info(l.name) WHERE name IS NULL)) AND instr(substr(m.sql, instr(m.sql, '(')), c.name)), ''),
			CASE WHEN l.partial THEN substr(m.sql, instr(upper(m.sql), ' WHERE ')) ELSE '' END, ''
		FROM pragma_index_list('$NAME') AS l LEFT JOIN sqlite_master AS m ON m.type = 'index' AND m.name = l.name ORDER BY l.name`,
	due: `SELECT count(*), coalesce(CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) - min(expires_at), 0)
		FROM (SELECT expires_at FROM $TABLE WHERE reap_after <= unixepoch('now', 'subsec') * 1000 AND expires_at <= unixepoch('now', 'subsec') * 1000 ORDER BY reap_after LIMIT 100001)`,
	newest: `SELECT count(*), count(*) FILTER (WHERE live), count(*) FILTER (WHERE live AND format > $FORMAT), coalesce(max(size), 0), count(*) FILTER (WHERE size > 1048576)
		FROM (SELECT expires_at > unixepoch('now', 'subsec') * 1000 AS live, format, octet_length(data) AS size FROM $TABLE ORDER BY id DESC LIMIT 100000)`,
}

func newSQLite(t *target.Target) engine {
	return engine{
		is:         sqlite,
		begin:      "PRAGMA query_only = 1",
		names:      strings.NewReplacer("$TABLE", t.Quoted(t.Table), "$NAME", t.Table, "$VERSIONS", t.Quoted(t.VersionTable()), "$FORMAT", strconv.Itoa(native.Format)),
		product:    func(version, _ string) product.Server { return product.SQLite(version) },
		columnType: func(c wantedColumn) string { return c.sqlite },
		ask:        sqliteQueries,
		repair: repairs{
			addPrimary: `run CREATE UNIQUE INDEX "` + t.Table + `_id_key" ON $TABLE ("id")`,
			dropIndex:  `DROP INDEX "%s"`,
			indexCost:  "writes that index too",
		},
	}
}

// sqlitePrimary asks the driver: no statement tells whether the file is read-only.
func sqlitePrimary(ctx context.Context, c *Conn) ([]Finding, error) {
	conn, err := c.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	found := ok("the file is writable", true)
	err = conn.Raw(func(driver any) error {
		is, can := driver.(interface {
			IsReadOnly(schema string) (bool, error)
		})
		if !can {
			return errors.New("the driver does not tell whether the file is read-only")
		}
		readOnly, err := is.IsReadOnly("main")
		if readOnly {
			found = failure("the file is read-only for this user", "let the application's user write to the file and its folder, and run doctor as that user", false)
		}
		return err
	})
	return found, err
}

func sqliteJournal(ctx context.Context, c *Conn) ([]Finding, error) {
	var mode string
	if err := c.get(ctx, "PRAGMA journal_mode", &mode); err != nil {
		return nil, err
	}
	if mode != "wal" {
		return warning(fmt.Sprintf("journal mode %s: readers and writers wait for each other", mode),
			"open it with _pragma=journal_mode(WAL), or run PRAGMA journal_mode = WAL once; the file keeps it", mode), nil
	}
	return ok("journal mode wal", mode), nil
}
