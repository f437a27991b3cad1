package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

// pgLayout returns by what the table is partitioned, how many tables are directly below
// it, and how many of those lack an index that finds a row by its id or by when to reap it.
const pgLayout = `SELECT coalesce(pg_get_partkeydef($OID), ''), count(*),
		count(*) FILTER (WHERE (SELECT count(DISTINCT a.attname) FROM pg_index x
			JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
			WHERE x.indrelid = i.inhrelid AND x.indisvalid AND x.indpred IS NULL AND a.attname IN ('id', 'reap_after')) < 2)
	FROM pg_inherits i WHERE i.inhparent = $OID`

// postgresLayout reports how a table is divided. There is nothing to say about one that is not.
func postgresLayout(ctx context.Context, c *Conn) ([]Finding, error) {
	var key string
	var below, bare int
	if err := c.get(ctx, pgLayout, &key, &below, &bare); err != nil {
		return nil, err
	}
	var found []Finding
	switch {
	case key != "" && below == 0:
		found = failure("the table is partitioned and has no partitions, so no session can be created", c.names.Replace("add some, with CREATE TABLE ... PARTITION OF $TABLE"), 0)
	case key != "":
		found = ok(fmt.Sprintf("the table has %s, by %s", target.Plural(below, "partition"), key), below)
	case bare > 0:
		found = warning(fmt.Sprintf("the table has %s below it by inheritance, %d without an index on id or on reap_after: indexes are not inherited, so each request reads all of it", target.Plural(below, "table"), bare),
			"give each the primary key and the indexes that "+c.Command("migrate print")+" shows, or use PARTITION BY HASH (id), which has them on every partition", bare)
	case below > 0:
		found = note(fmt.Sprintf("the table has %s below it by inheritance: keys are not inherited, so an ID is not unique among them", target.Plural(below, "table")),
			"use PARTITION BY HASH (id), which keeps it unique", below)
	default:
		return nil, nil
	}
	return found, nil
}

// pgStorage looks where the rows are: a partitioned table has no storage of its own.
const pgStorage = `SELECT CASE WHEN oid = $OID THEN '$TABLE' ELSE oid::regclass::text END, relpersistence = 'u',
		'autovacuum_enabled=false' = ANY (reloptions) OR 'autovacuum_enabled=off' = ANY (reloptions)
	FROM pg_class WHERE oid IN $TREE AND relkind = 'r' ORDER BY 1`

// postgresStorage looks for tables that lose their rows in a crash, or grow without bound.
func postgresStorage(ctx context.Context, c *Conn) ([]Finding, error) {
	var unlogged, unswept []string
	err := c.each(ctx, pgStorage, func(scan func(...any) error) error {
		var table string
		var lost, off *bool
		if err := scan(&table, &lost, &off); err != nil {
			return err
		}
		if lost != nil && *lost {
			unlogged = append(unlogged, table)
		}
		if off != nil && *off {
			unswept = append(unswept, table)
		}
		return nil
	})
	var found []Finding
	if len(unlogged) > 0 {
		found = append(found, warning(strings.Join(unlogged, ", ")+": UNLOGGED, so a crash of the server logs everybody out, and a standby has no sessions",
			fmt.Sprintf("run ALTER TABLE %s SET LOGGED", unlogged[0]), unlogged)...)
	}
	if len(unswept) > 0 {
		found = append(found, warning(strings.Join(unswept, ", ")+": autovacuum is off, so it grows with each update",
			fmt.Sprintf("run ALTER TABLE %s RESET (autovacuum_enabled)", unswept[0]), unswept)...)
	}
	if found == nil {
		found = append(found, ok("the table survives a crash, and autovacuum is on", nil)...)
	}
	return found, err
}
