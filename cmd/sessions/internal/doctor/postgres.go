package doctor

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/product"
)

func newPostgres(t *target.Target) engine {
	inSchema, oid := "", `to_regclass('`+t.Quoted(t.Table)+`')`
	if t.Schema != "" {
		inSchema = `"` + t.Schema + `".`
		// Not to_regclass, which fails without USAGE on the schema.
		oid = `(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '` + t.Schema + `' AND c.relname = '` + t.Table + `')`
	}
	// The table itself and what is below it, by partitioning or inheritance.
	tree := `(WITH RECURSIVE tree (oid) AS (
		SELECT ` + oid + `::oid UNION ALL SELECT i.inhrelid FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.oid) SELECT oid FROM tree)`
	return engine{
		is: postgres,
		// The server's own limit: it goes on with a query whose client has gone.
		begin: fmt.Sprintf("SET LOCAL statement_timeout = %d", t.Timeout.Milliseconds()),
		// Leaves no prepared statement behind, which a pooler might hand to another client.
		lead:    []any{pgx.QueryExecModeExec},
		names:   names(t, "$OID", oid, "$TREE", tree),
		product: product.PostgreSQL,
		sqlType: strings.NewReplacer("timestamptz", "timestamp with time zone").Replace,
		// Everybody may read the catalog; the other privileges have checks of their own.
		server:    `SELECT version(), current_setting('server_version')`,
		clock:     `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`,
		isolation: `SELECT '', current_setting('default_transaction_isolation')`,
		columns: `SELECT a.attname, format_type(a.atttypid, a.atttypmod) ||
			CASE WHEN c.collname IS NULL OR c.collname = 'default' THEN '' ELSE ' COLLATE ' || quote_ident(c.collname) END,
			NOT a.attnotnull, a.atthasdef OR a.attidentity <> '', coalesce(pg_get_expr(f.adbin, f.adrelid), '')
		FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
			LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
		WHERE a.attrelid = $OID AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
		// For an expression or a condition pg_depend knows the columns, for a key of a
		// constraint it knows the constraint.
		indexes: `SELECT c.relname, i.indisunique, i.indisvalid,
			coalesce((SELECT string_agg(coalesce(a.attname, '(expression)'), ',' ORDER BY k.n)
				FROM unnest(i.indkey) WITH ORDINALITY AS k (num, n)
				LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.num > 0
				WHERE k.n <= i.indnkeyatts), ''),
			coalesce((SELECT string_agg(a.attname, ',') FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0 AND (
				a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
				AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))), ''),
			coalesce(pg_get_expr(i.indpred, i.indrelid), ''), ''
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $OID ORDER BY c.relname`,
		due: `SELECT count(*), coalesce((extract(epoch FROM now() - min(over_at)) * 1000)::bigint, 0)
		FROM (SELECT greatest(expires_at, keep_until) AS over_at FROM $TABLE
			WHERE reap_after <= now() AND greatest(expires_at, keep_until) <= now() ORDER BY reap_after LIMIT $LIMIT) AS due`,
		newest: `SELECT count(*), count(*) FILTER (WHERE live AND NOT pending), count(*) FILTER (WHERE kept),
			count(*) FILTER (WHERE live AND format > $FORMAT), coalesce(max(size), 0), count(*) FILTER (WHERE size > 1048576)
		FROM (SELECT expires_at > now() AS live, pending, format, octet_length(data::text) AS size,
				ended_reason <> 'mark' AND keep_until > now() AS kept
			FROM $TABLE ORDER BY id DESC LIMIT $LIMIT) AS newest`,
		addPrimary: `run ALTER TABLE $TABLE ADD PRIMARY KEY ("id"); ` +
			`a table that is partitioned by another column has to be made again, partitioned by id alone, as in PARTITION BY HASH (id)`,
		dropIndex: "DROP INDEX " + inSchema + `"%s"`,
		indexCost: "writes all indexes, because it can't be a HOT update",
	}
}

func postgresPrimary(c *Conn) []Finding {
	var standby, readOnly bool
	// Not transaction_read_only: the transaction of the check is read-only.
	c.get(`SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool`, &standby, &readOnly)
	why := ""
	switch {
	case standby:
		why = "it is a standby"
	case readOnly:
		why = "default_transaction_read_only is on, for the server, the database or the user"
	}
	return writable(why)
}

// postgresPooler finds out whether statements work as the application sends them. A pooler
// may move a connection to another backend between transactions: while a second
// connection holds the backend that served the first, the next statement of the first
// runs elsewhere, and fails if it was prepared and the pooler does not know that.
func postgresPooler(c *Conn) []Finding {
	first, err := c.DB.Conn(c.ctx)
	if err != nil {
		c.err = err
		return nil
	}
	defer first.Close()
	send := func() error { // as an application with this URL does; the program itself does not
		var one int
		return first.QueryRowContext(c.ctx, `SELECT $1::int`, c.ExecMode, 1).Scan(&one) // without an argument the driver might not prepare it
	}
	err = send()
	c.get(`SELECT pg_backend_pid()`, new(int)) // on a second connection, which holds its backend until the check ends
	if err == nil {
		err = send()
	}
	switch {
	case err != nil && c.ctx.Err() != nil:
		c.err = err
	case err != nil:
		return warning("prepared statements do not work on this connection, because a pooler shares it: "+target.OneLine(target.Cause(err)),
			"add default_query_exec_mode=exec to the database URL of the application, "+
				"or let the pooler support prepared statements (max_prepared_statements of PgBouncer 1.21 and newer)", false)
	}
	return ok("the URL's query mode works on this connection", true)
}
