package main

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/product"
)

// What the server and the connection are asked.
const (
	pgVersion = `SELECT version(), current_setting('server_version')`
	// Not transaction_read_only: the examination's own transaction is.
	pgReadOnly = `SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool`
	// Loopback as the server sees it: a tunnel ends there too. NULL is a socket.
	pgTLS = `SELECT coalesce((SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), ''),
		coalesce(inet_client_addr() << '127.0.0.0/8' OR inet_client_addr() = '::1', true)`
	pgClock    = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`
	pgSettings = `SELECT current_setting('TimeZone'), current_setting('default_transaction_isolation')`
	pgBackend  = `SELECT pg_backend_pid()`
	pgEcho     = `SELECT $1::int` // with an argument, for the driver may prepare no others
)

func newPostgresPractice(d *database) practice {
	inSchema := ""
	table, oid, versions := `"`+d.table+`"`, `to_regclass('"`+d.table+`"')`, `"`+d.table+`_schema_migrations"`
	if d.schema != "" {
		inSchema = `"` + d.schema + `".`
		table, versions = `"`+d.schema+`".`+table, `"`+d.schema+`".`+versions
		// Not to_regclass, which fails without USAGE on the schema.
		oid = `(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '` + d.schema + `' AND c.relname = '` + d.table + `')`
	}
	// The table itself and what is below it, by partitioning or inheritance.
	tree := `(WITH RECURSIVE tree (oid) AS (SELECT ` + oid + `::oid UNION ALL SELECT i.inhrelid FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.oid) SELECT oid FROM tree)`
	return practice{
		exams: []exam{
			{checkServer, pgExamServer, false},
			{checkPrimary, pgExamPrimary, false},
			{checkTLS, pgExamTLS, false},
			{checkClock, pgExamClock, false},
			{checkSettings, pgExamSettings, false},
			{"pooler", pgExamPooler, false},
			{checkColumns, tableColumns, false},
			{checkSchema, schemaVersion, false},
			{"layout", pgExamLayout, true},
			{checkIndexes, tableIndexes, true},
			{checkStorage, pgExamStorage, true},
			{checkGrants, pgExamGrants, true},
			{checkWidth, pgExamWidth, true},
			{checkContent, content, true},
			{"updates", pgExamUpdates, true},
			{checkSize, pgExamSize, true},
		},
		// Time limits of the server's own, for one whose client has gone goes on.
		begin: []string{fmt.Sprintf("SET LOCAL statement_timeout = %d", d.timeout.Milliseconds())},
		// Leaves no prepared statement behind, which a pooler might hand to somebody else.
		lead:   []any{pgx.QueryExecModeExec},
		names:  strings.NewReplacer("$TABLE", table, "$OID", oid, "$TREE", tree, "$VERSIONS", versions, "$FORMAT", strconv.Itoa(native.Format)),
		wanted: pgColumns, sql: pgTable,
		addPrimary: `run ALTER TABLE $TABLE ADD PRIMARY KEY ("id")`,
		indexCost:  "then writes all indexes, for it can't be a HOT update",
		drop:       "DROP INDEX " + inSchema + `"%s"`,
	}
}

func pgExamServer(ctx context.Context, x *examination) error {
	var text, version string
	if err := x.get(ctx, pgVersion, &text, &version); err != nil {
		return err
	}
	x.supported(product.PostgreSQL(text, version))
	return nil
}

func pgExamPrimary(ctx context.Context, x *examination) error {
	var standby, readOnly bool
	if err := x.get(ctx, pgReadOnly, &standby, &readOnly); err != nil {
		return err
	}
	why := ""
	switch {
	case standby:
		why = "it is a standby"
	case readOnly:
		why = "default_transaction_read_only is on, for the server, the database or the user"
	}
	x.writable(why)
	return nil
}

func pgExamTLS(ctx context.Context, x *examination) error {
	var cipher string
	var nearby bool
	if err := x.get(ctx, pgTLS, &cipher, &nearby); err != nil {
		return err
	}
	x.encrypted(cipher, nearby || local(x.where), "add sslmode=verify-full and sslrootcert to the database URL")
	return nil
}

func pgExamClock(ctx context.Context, x *examination) error { return x.clock(ctx, pgClock) }

func pgExamSettings(ctx context.Context, x *examination) error {
	var zone, level string
	if err := x.get(ctx, pgSettings, &zone, &level); err != nil {
		return err
	}
	x.name = "time_zone"
	x.timeZone(zone, "the columns are timestamptz")
	x.name = "isolation"
	x.isolation(level, "read committed")
	return nil
}

// pgExamPooler tells a pooler that shares connections between transactions by
// its doing so: while another transaction holds the backend that served the
// first, the next transaction of the same connection is served by a second. A
// statement that was prepared on the first then shows whether that works.
func pgExamPooler(ctx context.Context, x *examination) error {
	a, err := x.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := x.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	before, err := backend(ctx, a)
	if err != nil {
		return err
	}
	wrong := x.asTheStore(ctx, a)
	tx, err := b.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var held int
	if err := tx.QueryRowContext(ctx, pgBackend, pgx.QueryExecModeExec).Scan(&held); err != nil {
		return err
	}
	after, err := backend(ctx, a)
	if err != nil {
		return err
	}
	pooled := after != before || held == before
	if wrong == nil {
		wrong = x.asTheStore(ctx, a)
	}
	switch {
	case wrong != nil && ctx.Err() != nil:
		return wrong
	case wrong != nil:
		x.warn("prepared statements do not work on this connection, for a pooler shares it: "+oneLine(cause(wrong)),
			"add default_query_exec_mode=exec to the database URL of the application, or let the pooler support prepared statements (max_prepared_statements of PgBouncer 1.21 and newer)", pooled)
	case pooled:
		x.ok("a pooler shares connections between transactions, and statements work through it as the database URL has them sent", true)
	default:
		x.ok("statements work as the database URL has them sent, and no pooler shares connections between transactions", false)
	}
	return nil
}

// asTheStore runs a statement in the way that an application with this database
// URL sends all of its own: unless it says otherwise, prepared at the first time and by its name
// from then on. The program itself does not.
func (x *examination) asTheStore(ctx context.Context, conn *sql.Conn) error {
	mode := pgx.QueryExecModeCacheStatement
	if x.execMode != nil {
		mode = *x.execMode
	}
	var one int
	return conn.QueryRowContext(ctx, pgEcho, mode, 1).Scan(&one)
}

// backend is the server process that a transaction of its own is served by.
func backend(ctx context.Context, conn *sql.Conn) (pid int, err error) {
	err = conn.QueryRowContext(ctx, pgBackend, pgx.QueryExecModeExec).Scan(&pid)
	return pid, err
}
