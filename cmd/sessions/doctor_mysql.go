package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/product"
)

// What the server and the connection are asked. The two products name some
// variables differently, and asked for in a list none is an error.
const (
	myVersion   = `SELECT VERSION(), @@version_comment`
	myVariables = `SHOW SESSION VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only',
		'transaction_read_only', 'tx_read_only', 'transaction_isolation', 'tx_isolation', 'time_zone', 'system_time_zone', 'sql_mode',
		'wsrep_on', 'wsrep_sync_wait')`
	myTLS   = `SHOW SESSION STATUS LIKE 'Ssl_cipher'`
	myClock = `SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))`
	// Executable comments: the first is MySQL's, the second MariaDB's. For a
	// server goes on with a query whose client has gone.
	myLimit = `SET @sessions_doctor = 1 /*!50708 , SESSION max_execution_time = %d */ /*M!100101 , SESSION max_statement_time = %f */`
)

func newMySQLPractice(d *database) practice {
	table, schema, versions := "`"+d.table+"`", "DATABASE()", "`"+d.table+"_schema_migrations`"
	if d.schema != "" {
		table, schema, versions = "`"+d.schema+"`."+table, "'"+d.schema+"'", "`"+d.schema+"`."+versions
	}
	return practice{
		exams: []exam{
			{checkServer, myExamServer, false},
			{checkPrimary, myExamPrimary, false},
			{checkTLS, myExamTLS, false},
			{checkClock, myExamClock, false},
			{checkSettings, myExamSettings, false},
			{"prepared", myExamPrepared, false},
			{checkColumns, tableColumns, false},
			{checkSchema, schemaVersion, false},
			{checkIndexes, tableIndexes, true},
			{checkStorage, myExamStorage, true},
			{checkGrants, myExamGrants, true},
			{checkWidth, myExamWidth, true},
			{checkContent, content, true},
			{checkSize, myExamSize, true},
		},
		begin:  []string{fmt.Sprintf(myLimit, d.timeout.Milliseconds(), d.timeout.Seconds())},
		names:  strings.NewReplacer("$TABLE", table, "$NAME", d.table, "$SCHEMA", schema, "$VERSIONS", versions, "$FORMAT", strconv.Itoa(native.Format)),
		wanted: myColumns, sql: myTable,
		addPrimary: "run ALTER TABLE $TABLE ADD PRIMARY KEY (`id`)",
		indexCost:  "then writes that index too",
		enable:     "ALTER TABLE $TABLE ALTER INDEX `%s` VISIBLE",
		drop:       "DROP INDEX `%s` ON $TABLE",
	}
}

func myExamServer(ctx context.Context, x *examination) error {
	var version, comment string
	if err := x.get(ctx, myVersion, &version, &comment); err != nil {
		return err
	}
	server := product.MySQL(version, comment)
	if server.Name == "MariaDB" {
		x.database.name, x.enable = server.Name, "ALTER TABLE $TABLE ALTER INDEX `%s` NOT IGNORED"
	}
	x.supported(server)
	return nil
}

// variables are those of myVariables that the server has.
func (x *examination) variables(ctx context.Context) (map[string]string, error) {
	have := map[string]string{}
	err := x.each(ctx, myVariables, func(scan func(...any) error) error {
		var name, value string
		err := scan(&name, &value)
		have[name] = value
		return err
	})
	return have, err
}

func myExamPrimary(ctx context.Context, x *examination) error {
	have, err := x.variables(ctx)
	if err != nil {
		return err
	}
	var why []string
	for _, name := range []string{"read_only", "super_read_only", "innodb_read_only", "transaction_read_only", "tx_read_only"} {
		if value, there := have[name]; there && value != "OFF" {
			why = append(why, name+" is "+value)
		}
	}
	x.writable(strings.Join(why, ", "))
	return nil
}

func myExamTLS(ctx context.Context, x *examination) error {
	var name, cipher string
	if err := x.get(ctx, myTLS, &name, &cipher); err != nil {
		return err
	}
	x.encrypted(cipher, local(x.where), "add tls=true to the database URL")
	return nil
}

func myExamClock(ctx context.Context, x *examination) error { return x.clock(ctx, myClock) }

func myExamSettings(ctx context.Context, x *examination) error {
	have, err := x.variables(ctx)
	if err != nil {
		return err
	}
	zone := have["time_zone"]
	if zone == "SYSTEM" {
		zone = "SYSTEM (" + have["system_time_zone"] + ")"
	}
	x.name = "time_zone"
	x.timeZone(zone, "all times are UTC, by UTC_TIMESTAMP, in columns that have no zone")
	x.name = "isolation"
	x.isolation(cmp.Or(have["transaction_isolation"], have["tx_isolation"]), "repeatable read", "read committed")
	if have["wsrep_on"] == "ON" {
		x.name = "galera"
		x.galera(have["wsrep_sync_wait"])
	}
	x.name = "sql_mode"
	if mode := have["sql_mode"]; !strings.Contains(mode, "STRICT_TRANS_TABLES") && !strings.Contains(mode, "STRICT_ALL_TABLES") {
		x.warn(fmt.Sprintf("sql_mode %q is not strict: the server cuts off what does not fit instead of refusing it", mode), "add STRICT_TRANS_TABLES to sql_mode", mode)
		return nil
	}
	x.ok("sql_mode is strict", nil)
	return nil
}

// galera judges wsrep_sync_wait, whose bits 1 and 2 are about reads and changes.
func (x *examination) galera(wait string) {
	if bits, err := strconv.Atoi(wait); err != nil || bits&3 != 3 {
		x.warn("this is a node of a Galera cluster, and the connection has wsrep_sync_wait="+wait+": what was saved through another node may not be seen yet",
			"add wsrep_sync_wait=3 to the database URL, in the application too", wait)
		return
	}
	x.ok("this is a node of a Galera cluster, and the connection waits for what was saved through others (wsrep_sync_wait="+wait+")", wait)
}

// myExamPrepared is about proxies: the store keeps its statements prepared.
func myExamPrepared(ctx context.Context, x *examination) error {
	statement, err := x.db.PrepareContext(ctx, myClock)
	if err == nil {
		defer statement.Close()
		var now int64
		err = statement.QueryRowContext(ctx).Scan(&now)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		x.warn("prepared statements do not work on this connection: "+oneLine(cause(err)), "see that max_prepared_stmt_count allows for some thirty on each connection, and that a proxy passes them on", false)
	default:
		x.ok("prepared statements work", true)
	}
	return nil
}
