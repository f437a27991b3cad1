package doctor

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/product"
)

func newMySQL(t *target.Target) engine {
	schema := "DATABASE()"
	if t.Schema != "" {
		schema = "'" + t.Schema + "'"
	}
	return engine{
		is: mysql,
		// Limits of the connection would hide what is there. Executable comments again. The
		// server goes on with a query whose client has gone.
		begin: fmt.Sprintf("SET SESSION sql_select_limit = 18446744073709551615, SESSION group_concat_max_len = 65536 "+
			"/*!50708 , SESSION max_execution_time = %d */ /*M!100101 , SESSION max_statement_time = %f */",
			t.Timeout.Milliseconds(), t.Timeout.Seconds()),
		names:   names(t, "$SCHEMA", schema, "$GRANTEE", "'"+strings.ReplaceAll(t.Role, "'", "''")+"'"),
		product: product.MySQL,
		sqlType: func(typ string) string {
			return strings.ToLower(strings.NewReplacer("BOOLEAN", "TINYINT(1)", " COLLATE utf8mb4_bin", "").Replace(typ))
		},
		server:    `SELECT VERSION(), @@version_comment`,
		clock:     `SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))`,
		isolation: `SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')`, // MariaDB before 11.1 has the second
		// MariaDB shows a width of integers, which means nothing. No text is compared, so
		// collations do not matter.
		columns: `SELECT column_name, CONCAT(
				CASE WHEN column_type REGEXP '^(big|small)int[(]' THEN REGEXP_REPLACE(column_type, '[(][0-9]+[)]', '') ELSE column_type END,
				COALESCE(CONCAT(' character set ', character_set_name), '')),
			is_nullable = 'YES', column_default IS NOT NULL OR extra LIKE '%auto_increment%' OR extra LIKE '%generated%', COALESCE(column_default, '')
		FROM information_schema.columns WHERE table_schema = $SCHEMA AND table_name = '$NAME' ORDER BY ordinal_position`,
		// Executable comments, the first for MySQL, the second for MariaDB: an index that is not
		// used is called invisible there and ignored here. If only the beginning of a column is
		// in the index, it is shown with its length.
		indexes: `SELECT index_name, MAX(non_unique) = 0, 1 /*!80000 AND MAX(is_visible) = 'YES' */ /*M!100600 AND MAX(ignored) = 'NO' */,
			GROUP_CONCAT(CONCAT(COALESCE(column_name, '(expression)'), COALESCE(CONCAT('(', sub_part, ')'), '')) ORDER BY seq_in_index),
			GROUP_CONCAT(COALESCE(column_name, '(expression)')), '',
			CASE WHEN 1 /*!80000 AND MAX(is_visible) = 'YES' */ /*M!100600 AND MAX(ignored) = 'NO' */ THEN ''
				ELSE CONCAT('run ALTER TABLE $TABLE ALTER INDEX ', CHAR(96), index_name, CHAR(96), /*!80000 ' VISIBLE' */ /*M!100600 ' NOT IGNORED' */) END
		FROM information_schema.statistics WHERE table_schema = $SCHEMA AND table_name = '$NAME' GROUP BY index_name ORDER BY index_name`,
		due: `SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(over_at), UTC_TIMESTAMP(6)) DIV 1000, 0)
		FROM (SELECT COALESCE(GREATEST(expires_at, keep_until), expires_at) AS over_at FROM $TABLE
			WHERE reap_after <= UTC_TIMESTAMP() AND COALESCE(GREATEST(expires_at, keep_until), expires_at) <= UTC_TIMESTAMP(6)
			ORDER BY reap_after LIMIT $LIMIT) AS due`,
		newest: `SELECT COUNT(*), COUNT(IF(live AND pending = 0, 1, NULL)), COUNT(IF(kept, 1, NULL)),
			COUNT(IF(live AND format > $FORMAT, 1, NULL)), COALESCE(MAX(size), 0), COUNT(IF(size > 1048576, 1, NULL))
		FROM (SELECT expires_at > UTC_TIMESTAMP(6) AS live, pending, format, LENGTH(data) AS size,
				ended_reason <> 'mark' AND keep_until > UTC_TIMESTAMP(6) AS kept
			FROM $TABLE ORDER BY id DESC LIMIT $LIMIT) AS newest`,
		addPrimary: "run ALTER TABLE $TABLE ADD PRIMARY KEY (`id`)",
		dropIndex:  "DROP INDEX `%s` ON $TABLE",
		indexCost:  "writes that index too",
	}
}

// variables returns the connection's. One that the server does not have is left out:
// MySQL and MariaDB have different ones.
func (c *Conn) variables(names ...string) map[string]string {
	have := map[string]string{}
	var name, value string
	c.each("SHOW SESSION VARIABLES WHERE Variable_name IN ('"+strings.Join(names, "', '")+"')", func() { have[name] = value }, &name, &value)
	return have
}

func mysqlPrimary(c *Conn) []Finding {
	names := []string{"read_only", "super_read_only", "innodb_read_only", "transaction_read_only", "tx_read_only"}
	have := c.variables(names...)
	var why []string
	for _, name := range names {
		if value, there := have[name]; there && value != "OFF" {
			why = append(why, name+" is "+value)
		}
	}
	return writable(strings.Join(why, ", "))
}

func mysqlGalera(c *Conn) []Finding {
	have := c.variables("wsrep_on", "wsrep_sync_wait")
	if have["wsrep_on"] != "ON" {
		return nil
	}
	return galera(have["wsrep_sync_wait"])
}

// galera judges wsrep_sync_wait, whose bits 1 and 2 are about reads and changes.
func galera(wait string) []Finding {
	if bits, err := strconv.Atoi(wait); err != nil || bits&3 != 3 {
		return warning("this is a node of a Galera cluster, and the connection has wsrep_sync_wait="+wait+": it may not see yet what was saved through another node",
			"add wsrep_sync_wait=3 to the database URL, in the application too", wait)
	}
	return ok("this is a node of a Galera cluster, and the connection waits for what was saved through others (wsrep_sync_wait="+wait+")", wait)
}

func mysqlMode(c *Conn) []Finding {
	mode := c.variables("sql_mode")["sql_mode"]
	if !strings.Contains(mode, "STRICT_TRANS_TABLES") && !strings.Contains(mode, "STRICT_ALL_TABLES") {
		return warning(fmt.Sprintf("sql_mode %q is not strict: the server truncates what is too long instead of refusing it", mode),
			"add STRICT_TRANS_TABLES to sql_mode", mode)
	}
	return ok("sql_mode is strict", nil)
}

// mysqlPrepared is about proxies: the store keeps its statements prepared.
func mysqlPrepared(c *Conn) []Finding {
	statement, err := c.DB.PrepareContext(c.ctx, c.clock)
	if err == nil {
		defer statement.Close()
		var now int64
		err = statement.QueryRowContext(c.ctx).Scan(&now)
	}
	switch {
	case err != nil && c.ctx.Err() != nil:
		c.err = err
	case err != nil:
		return warning("prepared statements do not work on this connection: "+target.OneLine(target.Cause(err)),
			"make sure that max_prepared_stmt_count allows 75 on each connection, and that a proxy passes them on", false)
	}
	return ok("prepared statements work", true)
}

func mysqlEngine(c *Conn) []Finding {
	var name string
	c.get(`SELECT COALESCE(engine, '') FROM information_schema.tables WHERE table_schema = $SCHEMA AND table_name = '$NAME'`, &name)
	if name != "InnoDB" {
		return failure(fmt.Sprintf("the table is in %s, which has no transactions that survive a crash", name),
			c.names.Replace("run ALTER TABLE $TABLE ENGINE = InnoDB"), name)
	}
	return ok("the table is in InnoDB", name)
}
