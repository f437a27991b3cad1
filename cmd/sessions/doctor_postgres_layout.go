package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pgLayout asks how a table is partitioned and whether by id alone, and how many tables are
// directly below it, and how many of those lack an index that finds a row by its id or by when
// to reap it.
const pgLayout = `SELECT coalesce(pg_get_partkeydef($OID), ''),
		EXISTS (SELECT FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
			WHERE p.partrelid = $OID AND p.partnatts = 1 AND a.attname = 'id'),
		count(*),
		count(*) FILTER (WHERE (SELECT count(DISTINCT a.attname) FROM pg_index x
			JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
			WHERE x.indrelid = i.inhrelid AND x.indisvalid AND x.indpred IS NULL AND a.attname IN ('id', 'reap_after')) < 2)
	FROM pg_inherits i WHERE i.inhparent = $OID`

// pgExamLayout says how a table is divided. On one that is not there is nothing to say.
func pgExamLayout(ctx context.Context, x *examination) error {
	var key string
	var byID bool
	var below, bare int
	if err := x.get(ctx, pgLayout, &key, &byID, &below, &bare); err != nil {
		return err
	}
	switch {
	case key != "" && !byID:
		// A primary key contains the columns of the partition key, so this one can't be id alone.
		x.addPrimary = "the table is partitioned by " + key + ": make it again, partitioned by id alone, as in PARTITION BY HASH (id)"
	case key != "" && below == 0:
		x.fail("the table is partitioned and has no partitions, so no session can be made", x.names.Replace("make some, with CREATE TABLE ... PARTITION OF $TABLE"), 0)
	case key != "":
		x.ok(fmt.Sprintf("the table has %s, by %s", plural(below, "partition"), key), below)
	case bare > 0:
		x.warn(fmt.Sprintf("the table has %s below it by inheritance, %d without an index on id or on reap_after: indexes are not inherited, so each request reads all of it", plural(below, "table"), bare),
			"give each the primary key and the indexes that "+x.again("migrate print")+" shows, or use PARTITION BY HASH (id), which does that by itself", bare)
	case below > 0:
		x.note(fmt.Sprintf("the table has %s below it by inheritance: keys are not inherited, so nothing makes an ID unique among them", plural(below, "table")),
			"use PARTITION BY HASH (id), which does", below)
	}
	return nil
}

// pgOptions are the storage parameters that step 1 sets.
var pgOptions = map[string]string{
	"fillfactor":                            "85",
	"autovacuum_vacuum_scale_factor":        "0.05",
	"autovacuum_vacuum_insert_scale_factor": "0.1",
}

// pgExamStorage looks at each table that has rows: the one, or all partitions.
func pgExamStorage(ctx context.Context, x *examination) error {
	var unlogged, off, differing []string
	var differ, set []string // of the first one that differs
	err := x.each(ctx, pgStorage, func(scan func(...any) error) error {
		var table, options string
		var lost bool
		if err := scan(&table, &lost, &options); err != nil {
			return err
		}
		if lost {
			unlogged = append(unlogged, table)
		}
		have := map[string]string{}
		for pair := range strings.SplitSeq(options, ",") {
			key, value, _ := strings.Cut(pair, "=")
			have[key] = value
		}
		if enabled, is := have["autovacuum_enabled"]; is && (enabled == "false" || enabled == "off") {
			off = append(off, table)
		}
		first := len(differing) == 0
		for _, key := range slices.Sorted(maps.Keys(pgOptions)) {
			if have[key] == pgOptions[key] {
				continue
			}
			if !slices.Contains(differing, table) {
				differing = append(differing, table)
			}
			if first {
				differ = append(differ, fmt.Sprintf("%s is %s", key, cmp.Or(have[key], "the default")))
				set = append(set, key+" = "+pgOptions[key])
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(unlogged) > 0 {
		x.warn(x.those(unlogged)+" is UNLOGGED: a crash of the server logs everybody out, and a standby has no sessions", alter(unlogged, "SET LOGGED"), true)
	}
	if len(off) > 0 {
		x.warn("autovacuum is off for "+x.those(off)+", which grows with each update", alter(off, "RESET (autovacuum_enabled)"), false)
	}
	if len(differing) > 0 {
		x.note("storage parameters of "+x.those(differing)+" differ from those of the migration: "+strings.Join(differ, ", "),
			"unless that is on purpose, "+alter(differing, "SET ("+strings.Join(set, ", ")+")"), differ)
	} else if len(unlogged) == 0 {
		x.ok("fillfactor and autovacuum are as the migration sets them", nil)
	}
	return nil
}

// those names the tables that something is true of: the table itself, or some of its partitions.
func (x *examination) those(tables []string) string {
	name := tables[0]
	if name == x.names.Replace("$TABLE") {
		name = "the table"
	}
	if len(tables) > 1 {
		name += fmt.Sprintf(" (and %s)", plural(len(tables)-1, "other"))
	}
	return name
}

func alter(tables []string, how string) string {
	advice := fmt.Sprintf("run ALTER TABLE %s %s", tables[0], how)
	if len(tables) > 1 {
		advice += ", and the same for the others"
	}
	return advice
}
