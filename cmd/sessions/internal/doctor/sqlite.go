package doctor

import (
	"fmt"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/product"
)

func newSQLite(t *target.Target) engine {
	return engine{
		is:      sqlite,
		begin:   "PRAGMA query_only = 1",
		names:   names(t),
		product: func(version, _ string) product.Server { return product.SQLite(version) },
		sqlType: func(typ string) string { return typ },
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
		due: `SELECT count(*), coalesce(CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) - min(over_at), 0)
		FROM (SELECT max(expires_at, coalesce(keep_until, expires_at)) AS over_at FROM $TABLE
			WHERE reap_after <= unixepoch('now', 'subsec') * 1000
				AND max(expires_at, coalesce(keep_until, expires_at)) <= unixepoch('now', 'subsec') * 1000
			ORDER BY reap_after LIMIT $LIMIT)`,
		newest: `SELECT count(*), count(*) FILTER (WHERE live AND NOT pending), count(*) FILTER (WHERE kept),
			count(*) FILTER (WHERE live AND format > $FORMAT), coalesce(max(size), 0), count(*) FILTER (WHERE size > 1048576)
		FROM (SELECT expires_at > unixepoch('now', 'subsec') * 1000 AS live, pending, format, octet_length(data) AS size,
				ended_reason <> 'mark' AND keep_until > unixepoch('now', 'subsec') * 1000 AS kept
			FROM $TABLE ORDER BY id DESC LIMIT $LIMIT)`,
		addPrimary: `run CREATE UNIQUE INDEX "` + t.Table + `_id_key" ON $TABLE ("id")`,
		dropIndex:  `DROP INDEX "%s"`,
		indexCost:  "writes that index too",
	}
}

// sqliteWritable asks the driver: no statement tells whether the file is read-only.
func sqliteWritable(c *Conn) []Finding {
	conn, err := c.DB.Conn(c.ctx)
	if err != nil {
		c.err = err
		return nil
	}
	defer conn.Close()
	var readOnly bool
	c.err = conn.Raw(func(driver any) error {
		readOnly, err = driver.(interface {
			IsReadOnly(schema string) (bool, error)
		}).IsReadOnly("main")
		return err
	})
	if readOnly {
		return failure("the file is read-only for this user", "let the application's user write to the file and its folder, and run doctor as that user", false)
	}
	return ok("the file is writable", true)
}

func sqliteJournal(c *Conn) []Finding {
	var mode string
	c.get("PRAGMA journal_mode", &mode)
	if mode != "wal" {
		return warning(fmt.Sprintf("journal mode %s: readers and writers wait for each other", mode),
			"open it with _pragma=journal_mode(WAL), or run PRAGMA journal_mode = WAL once; the file keeps it", mode)
	}
	return ok("journal mode wal", mode)
}
