package doctor

import (
	"fmt"

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
func postgresLayout(c *Conn) []Finding {
	var key string
	var below, bare int
	c.get(pgLayout, &key, &below, &bare)
	c.get(pgAbroad, &c.abroad)
	if c.abroad > 0 {
		return c.foreign()
	}
	switch {
	case key != "" && below == 0:
		return failure("the table is partitioned and has no partitions, so no session can be created",
			c.names.Replace("add some, with CREATE TABLE ... PARTITION OF $TABLE"), 0)
	case key != "":
		return ok(fmt.Sprintf("the table has %s, by %s", target.Plural(below, "partition"), key), below)
	case bare > 0:
		return warning(fmt.Sprintf("the table has %s below it by inheritance, %d without an index on id or on reap_after: "+
			"indexes are not inherited, so each request reads all of it", target.Plural(below, "table"), bare),
			"give each the primary key and the indexes that "+c.Command("migrate print")+" shows, "+
				"or use PARTITION BY HASH (id), which has them on every partition", bare)
	case below > 0:
		return note(fmt.Sprintf("the table has %s below it by inheritance: keys are not inherited, so an ID is not unique among them", target.Plural(below, "table")),
			"use PARTITION BY HASH (id), which keeps it unique", below)
	}
	return nil
}

// pgStorage looks where the rows are: a partitioned table has no storage of its own.
const pgStorage = `SELECT CASE WHEN oid = $OID THEN '$TABLE' ELSE oid::regclass::text END, relpersistence = 'u',
		coalesce(reloptions && '{autovacuum_enabled=false, autovacuum_enabled=off}', false)
	FROM pg_class WHERE oid IN $TREE AND relkind = 'r' ORDER BY 1`

// postgresStorage looks for tables that lose their rows in a crash, or grow without bound.
func postgresStorage(c *Conn) (found []Finding) {
	var table string
	var unlogged, off bool
	c.each(pgStorage, func() {
		if unlogged {
			found = append(found, warning(table+" is UNLOGGED: a crash of the server logs everybody out, and a standby has no sessions",
				"run ALTER TABLE "+table+" SET LOGGED", table)...)
		}
		if off {
			found = append(found, warning("autovacuum is off for "+table+", which grows with each update",
				"run ALTER TABLE "+table+" RESET (autovacuum_enabled)", table)...)
		}
	}, &table, &unlogged, &off)
	if found == nil && c.abroad == 0 {
		return ok("the table survives a crash, and autovacuum is on", nil)
	}
	return found
}

// notATable reports a view, which looks like a table to those who look at its columns.
func (c *Conn) notATable([]column) []Finding {
	if c.is != postgres {
		return nil
	}
	var kind string
	c.get(`SELECT CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' ELSE '' END FROM pg_class WHERE oid = $OID`, &kind)
	if kind == "" {
		return nil
	}
	return failure(fmt.Sprintf("%s is %s: the reaper finds rows by their place, which only a table has", c.TableName(), kind),
		"name the table itself, with --table and --schema and in the store's Options", kind)
}

// pgAbroad counts the tables that are on another server. The table itself may be one.
const pgAbroad = `SELECT count(*) FROM pg_class WHERE oid IN $TREE AND relkind = 'f'`

// pgShared reports whether rows have one place in one foreign table: it stands for several
// there, among which the place is all that postgres_fdw tells rows apart by when it changes them.
const pgShared = `SELECT EXISTS (SELECT FROM (SELECT tableoid, ctid FROM $TABLE LIMIT $LIMIT) AS t GROUP BY tableoid, ctid HAVING count(*) > 1)`

// foreign says what works on foreign tables.
func (c *Conn) foreign() []Finding {
	what := "the table is a foreign table, or has some below it"
	var shared bool
	if c.get(pgShared, &shared); shared {
		return failure(what+", and that on the other server consists of several: "+
			"each change of a session may change others, of other users, and the reaper may delete them",
			"stop the application; make it one table there, and partition here, with a foreign table for each", c.abroad)
	}
	return warning(what+": logins, revocations and the reaper work, but wait for rows that are locked instead of skipping them, "+
		"and each statement that changes a row is several there",
		"make sure that each is one plain table there, with the primary key and the indexes that "+c.Command("migrate print")+
			" shows: of one that is partitioned or has children, postgres_fdw changes other rows too", c.abroad)
}
