package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/product"
)

var myQueries = queries{
	server:    `SELECT VERSION(), @@version_comment`,
	clock:     `SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))`,
	isolation: `SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')`, // MariaDB before 11.1 has the second
	// MariaDB shows a width of integers, which means nothing. The collation of data has a
	// check of its own, and that of extra does not matter.
	columns: `SELECT column_name, CONCAT(CASE WHEN column_type REGEXP '^(big|small)int[(]' THEN REGEXP_REPLACE(column_type, '[(][0-9]+[)]', '') ELSE column_type END,
				CASE WHEN column_name IN ('data', 'extra') THEN '' ELSE COALESCE(CONCAT(' COLLATE ', collation_name), '') END),
			is_nullable = 'YES', column_default IS NOT NULL OR extra LIKE '%auto_increment%' OR extra LIKE '%generated%', COALESCE(column_default, '')
		FROM information_schema.columns WHERE table_schema = $SCHEMA AND table_name = '$NAME' ORDER BY ordinal_position`,
	// Executable comments, the first for MySQL, the second for MariaDB: an index that is not
	// used is called invisible there and ignored here. If only the beginning of a column is
	// in the index, it is shown with its length.
	indexes: `SELECT index_name, MAX(non_unique) = 0, 1 /*!80000 AND MAX(is_visible) = 'YES' */ /*M!100600 AND MAX(ignored) = 'NO' */,
			GROUP_CONCAT(CONCAT(COALESCE(column_name, '(expression)'), COALESCE(CONCAT('(', sub_part, ')'), '')) ORDER BY seq_in_index),
			GROUP_CONCAT(COALESCE(column_name, '(expression)')), '',
			CASE WHEN 1 /*!80000 AND MAX(is_visible) = 'YES' */ /*M!100600 AND MAX(ignored) = 'NO' */ THEN ''
				ELSE CONCAT('ALTER TABLE $TABLE ALTER INDEX ', CHAR(96), index_name, CHAR(96), /*!80000 ' VISIBLE' */ /*M!100600 ' NOT IGNORED' */) END
		FROM information_schema.statistics WHERE table_schema = $SCHEMA AND table_name = '$NAME' GROUP BY index_name ORDER BY index_name`,
	due: `SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(expires_at), UTC_TIMESTAMP(6)) DIV 1000, 0)
		FROM (SELECT expires_at FROM $TABLE WHERE reap_after <= UTC_TIMESTAMP() AND expires_at <= UTC_TIMESTAMP(6) ORDER BY reap_after LIMIT 100001) AS due`,
	newest: `SELECT COUNT(*), COUNT(IF(live, 1, NULL)), COUNT(IF(live AND format > $FORMAT, 1, NULL)), COALESCE(MAX(size), 0), COUNT(IF(size > 1048576, 1, NULL))
		FROM (SELECT expires_at > UTC_TIMESTAMP(6) AS live, format, LENGTH(data) AS size FROM $TABLE ORDER BY id DESC LIMIT 100000) AS newest`,
}

func newMySQL(t *target.Target) engine {
	schema := "DATABASE()"
	if t.Schema != "" {
		schema = "'" + t.Schema + "'"
	}
	return engine{
		is: mysql,
		// Executable comments again. The server goes on with a query whose client has gone.
		begin: fmt.Sprintf("SET @sessions_doctor = 1 /*!50708 , SESSION max_execution_time = %d */ /*M!100101 , SESSION max_statement_time = %f */",
			t.Timeout.Milliseconds(), t.Timeout.Seconds()),
		names:      strings.NewReplacer("$TABLE", t.Quoted(t.Table), "$NAME", t.Table, "$SCHEMA", schema, "$VERSIONS", t.Quoted(t.VersionTable()), "$GRANTEE", "'"+strings.ReplaceAll(t.Role, "'", "''")+"'", "$FORMAT", strconv.Itoa(native.Format)),
		product:    product.MySQL,
		columnType: func(c wantedColumn) string { return c.mysql },
		ask:        myQueries,
		repair: repairs{
			addPrimary: "run ALTER TABLE $TABLE ADD PRIMARY KEY (`id`)",
			dropIndex:  "DROP INDEX `%s` ON $TABLE",
			indexCost:  "writes that index too",
		},
	}
}

// variables returns the connection's. One that the server does not have is left out:
// MySQL and MariaDB have different ones.
func (c *Conn) variables(ctx context.Context, names ...string) (map[string]string, error) {
	have := map[string]string{}
	err := c.each(ctx, "SHOW SESSION VARIABLES WHERE Variable_name IN ('"+strings.Join(names, "', '")+"')", func(scan func(...any) error) error {
		var name, value string
		err := scan(&name, &value)
		have[name] = value
		return err
	})
	return have, err
}

func mysqlPrimary(ctx context.Context, c *Conn) ([]Finding, error) {
	names := []string{"read_only", "super_read_only", "innodb_read_only", "transaction_read_only", "tx_read_only"}
	have, err := c.variables(ctx, names...)
	if err != nil {
		return nil, err
	}
	var why []string
	for _, name := range names {
		if value, there := have[name]; there && value != "OFF" {
			why = append(why, name+" is "+value)
		}
	}
	return writable(strings.Join(why, ", ")), nil
}

func mysqlGalera(ctx context.Context, c *Conn) ([]Finding, error) {
	have, err := c.variables(ctx, "wsrep_on", "wsrep_sync_wait")
	if err != nil || have["wsrep_on"] != "ON" {
		return nil, err
	}
	return galera(have["wsrep_sync_wait"]), nil
}

// galera judges wsrep_sync_wait, whose bits 1 and 2 are about reads and changes.
func galera(wait string) []Finding {
	if bits, err := strconv.Atoi(wait); err != nil || bits&3 != 3 {
		return warning("this is a node of a Galera cluster, and the connection has wsrep_sync_wait="+wait+": it may not see yet what was saved through another node",
			"add wsrep_sync_wait=3 to the database URL, in the application too", wait)
	}
	return ok("this is a node of a Galera cluster, and the connection waits for what was saved through others (wsrep_sync_wait="+wait+")", wait)
}

func mysqlMode(ctx context.Context, c *Conn) ([]Finding, error) {
	have, err := c.variables(ctx, "sql_mode")
	if err != nil {
		return nil, err
	}
	if mode := have["sql_mode"]; !strings.Contains(mode, "STRICT_TRANS_TABLES") && !strings.Contains(mode, "STRICT_ALL_TABLES") {
		return warning(fmt.Sprintf("sql_mode %q is not strict: the server truncates what is too long instead of refusing it", mode), "add STRICT_TRANS_TABLES to sql_mode", mode), nil
	}
	return ok("sql_mode is strict", nil), nil
}

// mysqlPrepared is about proxies: the store keeps its statements prepared.
func mysqlPrepared(ctx context.Context, c *Conn) ([]Finding, error) {
	statement, err := c.DB.PrepareContext(ctx, c.ask.clock)
	if err == nil {
		defer statement.Close()
		var now int64
		err = statement.QueryRowContext(ctx).Scan(&now)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return warning("prepared statements do not work on this connection: "+target.OneLine(target.Cause(err)),
			"make sure that max_prepared_stmt_count allows about thirty on each connection, and that a proxy passes them on", false), nil
	}
	return ok("prepared statements work", true), nil
}

func mysqlEngine(ctx context.Context, c *Conn) ([]Finding, error) {
	var name string
	if err := c.get(ctx, `SELECT COALESCE(engine, '') FROM information_schema.tables WHERE table_schema = $SCHEMA AND table_name = '$NAME'`, &name); err != nil {
		return nil, err
	}
	if name != "InnoDB" {
		return failure(fmt.Sprintf("the table is in %s, which has no transactions that survive a crash", name), c.names.Replace("run ALTER TABLE $TABLE ENGINE = InnoDB"), name), nil
	}
	return ok("the table is in InnoDB", name), nil
}

// mysqlCharset leaves the collation alone: the store compares no data.
func mysqlCharset(ctx context.Context, c *Conn) ([]Finding, error) {
	var charset string
	if err := c.get(ctx, `SELECT COALESCE(MAX(character_set_name), '') FROM information_schema.columns WHERE table_schema = $SCHEMA AND table_name = '$NAME' AND column_name = 'data'`, &charset); err != nil {
		return nil, err
	}
	switch charset {
	case "": // it is missing or no text, which the columns check reported
		return nil, nil
	case "utf8mb4":
		return ok("column data is in utf8mb4", charset), nil
	}
	return failure(fmt.Sprintf("column data is in %s: text that it can't represent is refused or lost", charset),
		c.names.Replace("run ALTER TABLE $TABLE MODIFY `data` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"), charset), nil
}
