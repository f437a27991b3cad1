package stores_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// mysqlSettings are those that matter, and what a DSN can ask of the driver. Lists that a server
// does not offer are written out.
var mysqlSettings = []setting{
	{"", ""},
	{"sql_safe_updates=1", ""},
	{"sql_select_limit=2", ""},
	{"sql_select_limit=0", ""},
	{"max_join_size=1&sql_big_selects=0", "MAX_JOIN_SIZE"},
	{"autocommit=0", "autocommit is off"},
	{"timestamp=1000000000", "timestamp is set"},
	{"time_zone='-11:00'", ""},
	{"charset=latin1", ""},
	{"charset=latin1&interpolateParams=true", ""},
	{"collation_connection='utf8mb4_unicode_ci'&character_set_results=NULL", ""},
	{"collation_connection='utf8mb3_general_ci'", "collation_connection"},
	{"collation_connection='latin1_swedish_ci'", "collation_connection"},
	{"collation_connection='ucs2_general_ci'", "collation_connection"},
	{"character_set_results=latin1", ""},
	{"character_set_results=ucs2", "character_set_results is ucs2"},
	{"lc_messages='de_DE'&lc_time_names='ja_JP'", ""},
	{"div_precision_increment=0&max_sort_length=64&group_concat_max_len=4", ""},
	{"clientFoundRows=true", ""},
	{"interpolateParams=true", ""},
	{"multiStatements=true", ""},
	{"columnsWithAlias=true", ""},
	{"parseTime=true&loc=Asia/Kathmandu&time_zone='+05:45'", ""},
	{"rejectReadOnly=true&checkConnLiveness=false&compress=true", ""},
}

// refusedByMySQL are values from the server's lists that are refused, with what the error says.
var refusedByMySQL = map[string]string{
	"autocommit=0":                    "autocommit is off",
	"completion_type='CHAIN'":         "completion_type is CHAIN",
	"completion_type='RELEASE'":       "completion_type is RELEASE",
	"sql_mode='EMPTY_STRING_IS_NULL'": "EMPTY_STRING_IS_NULL",
	"max_join_size=1":                 "MAX_JOIN_SIZE",
	"max_session_mem_used=8192":       "perhaps max-session-mem-used",
	"tmp_disk_table_size=1024":        "perhaps the server has no room left",
	"tx_read_only=1":                  "the server is read-only",
	"transaction_read_only=1":         "the server is read-only",
	"require_row_format=1":            "require_row_format",
	"use_secondary_engine='FORCED'":   "Secondary engine operation failed",
}

func TestMySQLSettings(t *testing.T) {
	b := testbed.Backends[testbed.MySQL]
	tab := b.NewTable(t)
	for _, s := range mysqlSettings {
		s.test(t, tab, b)
	}
}

// Each value that a connection can be given is tried: both of a switch, all of an enumeration,
// each member of a set, and the smallest number.
func TestEachMySQLVariable(t *testing.T) {
	b := testbed.Backends[testbed.MySQL]
	tab := b.NewTable(t)
	beside := b.ConnectSized(t, "", 1)
	values := slices.DeleteFunc(mysqlValues(t, beside), func(parameter string) bool {
		_, err := beside.DB.ExecContext(t.Context(), "SET SESSION "+parameter)
		return err != nil // not for a connection, or not in this version
	})
	testAll(t, tab, b, values, refusedByMySQL)
}

// mysqlValues returns what to set. MariaDB lists the values that a variable can have, and MySQL
// their limits alone.
func mysqlValues(t *testing.T, c *testbed.Conns) (values []string) {
	t.Helper()
	add := func(format string, args ...any) { values = append(values, fmt.Sprintf(format, args...)) }
	var query string
	if testbed.MariaDB(t) {
		query = `SELECT LOWER(variable_name), variable_type, COALESCE(session_value, ''), COALESCE(numeric_min_value, ''), COALESCE(enum_value_list, '')
			FROM information_schema.system_variables WHERE variable_scope LIKE 'SESSION%' AND read_only = 'NO'`
	} else {
		query = `SELECT LOWER(s.variable_name), CASE WHEN s.variable_value IN ('ON', 'OFF') THEN 'BOOLEAN' WHEN i.max_value + 0 > 0 THEN 'BIGINT' ELSE '' END,
				s.variable_value, i.min_value, ''
			FROM performance_schema.session_variables AS s JOIN performance_schema.variables_info AS i USING (variable_name)`
		for i := range 40 {
			add("sql_mode=%d", 1<<i)
		}
		for name, all := range map[string]string{
			"completion_type": "CHAIN,RELEASE", "transaction_isolation": "READ-UNCOMMITTED,READ-COMMITTED,SERIALIZABLE",
			"binlog_format": "MIXED", "binlog_row_image": "MINIMAL,NOBLOB", "binlog_row_value_options": "PARTIAL_JSON",
			"internal_tmp_mem_storage_engine": "MEMORY", "updatable_views_with_limit": "NO", "resultset_metadata": "NONE",
			"session_track_gtids": "OWN_GTID,ALL_GTIDS", "session_track_transaction_info": "STATE,CHARACTERISTICS", "session_track_system_variables": "*",
			"use_secondary_engine": "OFF,FORCED", "rbr_exec_mode": "IDEMPOTENT", "default_collation_for_utf8mb4": "utf8mb4_general_ci",
			"character_set_database": "latin1", "character_set_server": "latin1", "explain_format": "JSON", "block_encryption_mode": "aes-256-cbc",
		} {
			for one := range strings.SplitSeq(all, ",") {
				add("%s='%s'", name, one)
			}
		}
	}
	rows, err := c.DB.QueryContext(t.Context(), query)
	testbed.Check(t, err)
	defer rows.Close()
	for rows.Next() {
		var name, kind, value, least, all string
		testbed.Check(t, rows.Scan(&name, &kind, &value, &least, &all))
		switch {
		case name == "optimizer_switch":
			for one := range strings.SplitSeq(value, ",") {
				key, is, _ := strings.Cut(one, "=")
				add("%s='%s=%s'", name, key, map[string]string{"on": "off", "off": "on"}[is])
			}
		case kind == "BOOLEAN":
			add("%s=%s", name, map[string]string{"ON": "0", "OFF": "1"}[value])
		case kind == "ENUM", kind == "SET", kind == "FLAGSET":
			for one := range strings.SplitSeq(all, ",") {
				if one != value && one != "default" {
					add("%s='%s'", name, one)
				}
			}
		case least != "" && least != value && kind != "VARCHAR":
			add("%s=%s", name, least)
		}
	}
	testbed.Check(t, rows.Err())
	return values
}

// A server that logs statements refuses READ COMMITTED, in which rows are reaped otherwise.
func TestMySQLLogsStatements(t *testing.T) {
	server, err := servers.StartWith(t.Context(), servers.MySQL, os.Stderr, "--log-bin=log", "--server-id=1", "--binlog-format=STATEMENT")
	testbed.Check(t, err)
	defer func() { testbed.Check(t, server.Close()) }()
	address, _, err := server.CreateDatabase(t.Context())
	testbed.Check(t, err)
	b := testbed.Backends[testbed.MySQL]
	tab := b.ConnectTo(t, address).NewTable(t)
	setting{}.test(t, tab, b)
	isolation := "transaction_isolation"
	if testbed.MariaDB(t) {
		isolation = "tx_isolation"
	}
	setting{isolation + "='READ-COMMITTED'", "binlog_format is STATEMENT"}.test(t, tab, b)
}
