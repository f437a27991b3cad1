package main

import (
	"context"
	"fmt"
)

var pgColumns = columnsOf(
	"id uuid",
	"version bigint",
	"created_at timestamp with time zone",
	"absolute_expires_at timestamp with time zone",
	"expires_at timestamp with time zone",
	"reap_after timestamp with time zone",
	"authenticated_at timestamp with time zone NULL",
	"ended_at timestamp with time zone NULL",
	"keep_until timestamp with time zone NULL",
	"previous_until timestamp with time zone NULL",
	"format smallint DEFAULT 0",
	"pending boolean DEFAULT false",
	"verifier bytea NULL",
	"previous_verifier bytea NULL",
	`user_id text COLLATE "C" NULL`,
	`label text COLLATE "C" NULL`,
	`ended_user text COLLATE "C" NULL`,
	`ended_reason text COLLATE "C" NULL`,
	"device_key bytea NULL",
	"extra text NULL",
	"data json",
)

// The catalog may be read by everybody; of the rest each is an exam of its own.
var pgTable = tableSQL{
	columns: `SELECT a.attname, format_type(a.atttypid, a.atttypmod) ||
			CASE WHEN c.collname IS NULL OR c.collname = 'default' THEN '' ELSE ' COLLATE ' || quote_ident(c.collname) END,
			NOT a.attnotnull, a.atthasdef OR a.attidentity <> '', coalesce(pg_get_expr(f.adbin, f.adrelid), '')
		FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
			LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
		WHERE a.attrelid = $OID AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
	// Of an expression or a condition pg_depend knows the columns, of a key of a
	// constraint it knows the constraint.
	indexes: `SELECT c.relname, i.indisunique, i.indisprimary, i.indisvalid,
			coalesce((SELECT string_agg(coalesce(a.attname, '(expression)'), ',' ORDER BY k.n)
				FROM unnest(i.indkey) WITH ORDINALITY AS k (num, n)
				LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.num > 0
				WHERE k.n <= i.indnkeyatts), ''),
			coalesce((SELECT string_agg(a.attname, ',') FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0 AND (
				a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
				AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))), ''),
			coalesce(pg_get_expr(i.indpred, i.indrelid), '')
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $OID ORDER BY c.relname`,
	// Before the first ANALYZE there is only the size; no row is under 150 bytes.
	rows: `SELECT coalesce(sum(greatest(CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 150 ELSE c.reltuples::bigint END, coalesce(s.n_live_tup, 0))), 0)::bigint
		FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.oid IN $TREE AND c.relkind <> 'p'`,
	exact: `SELECT count(*) FILTER (WHERE expires_at > now()), count(*) FILTER (WHERE expires_at <= now()),
			coalesce((extract(epoch FROM now() - min(expires_at) FILTER (WHERE expires_at <= now())) * 1000)::bigint, 0),
			coalesce(avg(octet_length(data::text)), 0)::float8, coalesce(max(octet_length(data::text)), 0), count(*) FILTER (WHERE octet_length(data::text) > 1048576),
			count(*) FILTER (WHERE format > $FORMAT AND expires_at > now())
		FROM $TABLE`,
	due: `SELECT count(*), coalesce((extract(epoch FROM now() - min(expires_at)) * 1000)::bigint, 0)
		FROM (SELECT expires_at FROM $TABLE WHERE reap_after <= now() AND expires_at <= now() ORDER BY reap_after LIMIT 100001) AS due`,
	sample: `SELECT count(*), coalesce(avg(octet_length(data::text)), 0)::float8, coalesce(max(octet_length(data::text)), 0), count(*) FILTER (WHERE octet_length(data::text) > 1048576)
		FROM (SELECT data FROM $TABLE LIMIT 10000) AS looked`,
	later: `SELECT count(*)
		FROM (SELECT format, expires_at FROM $TABLE ORDER BY id DESC LIMIT 10000) AS looked
		WHERE format > $FORMAT AND expires_at > now()`,
}

const (
	// Where the rows are: a partitioned table has no storage of its own.
	pgStorage = `SELECT CASE WHEN oid = $OID THEN '$TABLE' ELSE oid::regclass::text END, relpersistence = 'u', coalesce(array_to_string(reloptions, ','), '')
		FROM pg_class WHERE oid IN $TREE AND relkind = 'r' ORDER BY 1`
	// By catalog functions, which answer about any table.
	pgGrants = `SELECT quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'),
			has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'),
			has_any_column_privilege(c.oid, 'UPDATE') -- which is what FOR UPDATE asks for
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $OID`
	pgWidth = `SELECT r.rolsuper, pg_has_role(c.relowner, 'USAGE'), has_schema_privilege(c.relnamespace, 'CREATE'),
			has_table_privilege(c.oid, 'TRUNCATE') OR has_table_privilege(c.oid, 'TRIGGER') OR has_table_privilege(c.oid, 'REFERENCES')
		FROM pg_class c, pg_roles r WHERE c.oid = $OID AND r.rolname = current_user`
	pgUpdates = `SELECT coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_hot_upd), 0)::bigint, coalesce(sum(n_dead_tup), 0)::bigint, coalesce(sum(n_live_tup), 0)::bigint
		FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.oid IN $TREE AND c.relkind <> 'p'`
	pgSize = `SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint, coalesce(sum(pg_indexes_size(oid)), 0)::bigint FROM pg_class WHERE oid IN $TREE`
)

func pgExamGrants(ctx context.Context, x *examination) error {
	var schema string
	var usage, locks bool
	may := make([]bool, 4)
	if err := x.get(ctx, pgGrants, &schema, &usage, &may[0], &may[1], &may[2], &may[3], &locks); err != nil {
		return err
	}
	if !usage {
		x.fail("the user may not use schema "+schema+", so no statement works", x.grant("USAGE", "SCHEMA "+schema), "USAGE")
	}
	var missing []string
	for i, privilege := range needed {
		if !may[i] {
			missing = append(missing, privilege)
		}
	}
	x.grants(missing, locks)
	return nil
}

func pgExamWidth(ctx context.Context, x *examination) error {
	var super, owner, create, more bool
	if err := x.get(ctx, pgWidth, &super, &owner, &create, &more); err != nil {
		return err
	}
	const advice = "fine for the role that migrates; give the application one with only SELECT, INSERT, UPDATE and DELETE on the table (" + docsRoles + ")"
	switch {
	case super:
		x.warn("the user is a superuser", advice, "superuser")
	case owner:
		x.note("the user owns the table, and so can change and drop it", advice, "owner")
	case create:
		x.note("the user may make tables in the schema", advice, "create")
	case more:
		x.note("the user may do more with the table than the store needs", advice, "table")
	default:
		x.ok("the user may do no more than that", nil)
	}
	return nil
}

func pgExamUpdates(ctx context.Context, x *examination) error {
	var updates, hot, dead, live int64
	if err := x.get(ctx, pgUpdates, &updates, &hot, &dead, &live); err != nil {
		return err
	}
	if dead > 10_000 && dead > live {
		x.note(fmt.Sprintf("about %d dead rows and %d others: vacuum does not keep up", dead, live),
			x.names.Replace("look for transactions that stay open, and run VACUUM $TABLE"), dead)
	} else {
		x.ok(fmt.Sprintf("about %s", plural(int(dead), "dead row")), dead)
	}
	x.name = "hot"
	if updates <= 1000 {
		x.ok(fmt.Sprintf("%s since the statistics began, too few to say how many were HOT", plural(int(updates), "update")), nil)
		return nil
	}
	ratio := float64(hot) / float64(updates)
	text := fmt.Sprintf("%.0f %% of %d updates were HOT", 100*ratio, updates)
	if ratio < 0.9 {
		x.warn(text+": the others wrote all indexes, for their pages had no room, or an index contains a column that moves",
			"see that fillfactor is 85, that no index contains expires_at, version or data, and that no transaction stays open for hours; saves of big data are not HOT either", ratio)
		return nil
	}
	x.ok(text, ratio)
	return nil
}

func pgExamSize(ctx context.Context, x *examination) error {
	var table, indexes int64
	if err := x.get(ctx, pgSize, &table, &indexes); err != nil {
		return err
	}
	x.ok(fmt.Sprintf("the table takes %s and its indexes %s", size(table), size(indexes)), table+indexes)
	return nil
}
