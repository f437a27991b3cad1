package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

var myColumns = columnsOf(
	"id binary(16)",
	"version bigint",
	"created_at datetime(6)",
	"absolute_expires_at datetime(6)",
	"expires_at datetime(6)",
	"reap_after datetime",
	"authenticated_at datetime(6) NULL",
	"ended_at datetime(6) NULL",
	"keep_until datetime(6) NULL",
	"previous_until datetime(6) NULL",
	"format smallint DEFAULT 0",
	"pending tinyint(1) DEFAULT 0",
	"verifier binary(32) NULL",
	"previous_verifier binary(32) NULL",
	"user_id varbinary(255) NULL",
	"label varbinary(255) NULL",
	"ended_user varbinary(255) NULL",
	"ended_reason varbinary(255) NULL",
	"device_key blob NULL",
	"extra text NULL",
	"data mediumtext",
)

var myTable = tableSQL{
	// MariaDB shows a width of integers, which means nothing. The collation of data is an
	// exam of its own, and that of extra does not matter.
	columns: `SELECT column_name, CONCAT(CASE WHEN column_type REGEXP '^(big|small)int[(]' THEN REGEXP_REPLACE(column_type, '[(][0-9]+[)]', '') ELSE column_type END,
				CASE WHEN column_name IN ('data', 'extra') THEN '' ELSE COALESCE(CONCAT(' COLLATE ', collation_name), '') END),
			is_nullable = 'YES', column_default IS NOT NULL OR extra LIKE '%auto_increment%' OR extra LIKE '%generated%', COALESCE(column_default, '')
		FROM information_schema.columns WHERE table_schema = $SCHEMA AND table_name = '$NAME' ORDER BY ordinal_position`,
	// Executable comments again: what is not used is invisible on MySQL and ignored on
	// MariaDB. A column of which only the beginning is in the index is shown with its length.
	indexes: `SELECT index_name, MAX(non_unique) = 0, index_name = 'PRIMARY',
			1 /*!80000 AND MAX(is_visible) = 'YES' */ /*M!100600 AND MAX(ignored) = 'NO' */,
			GROUP_CONCAT(CONCAT(COALESCE(column_name, '(expression)'), COALESCE(CONCAT('(', sub_part, ')'), '')) ORDER BY seq_in_index),
			GROUP_CONCAT(COALESCE(column_name, '(expression)')), ''
		FROM information_schema.statistics WHERE table_schema = $SCHEMA AND table_name = '$NAME' GROUP BY index_name ORDER BY index_name`,
	rows: `SELECT COALESCE(table_rows, 0) FROM information_schema.tables WHERE table_schema = $SCHEMA AND table_name = '$NAME'`,
	exact: `SELECT COUNT(IF(expires_at > UTC_TIMESTAMP(6), 1, NULL)), COUNT(IF(expires_at <= UTC_TIMESTAMP(6), 1, NULL)),
			COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(IF(expires_at <= UTC_TIMESTAMP(6), expires_at, NULL)), UTC_TIMESTAMP(6)) DIV 1000, 0),
			COALESCE(AVG(LENGTH(data)), 0), COALESCE(MAX(LENGTH(data)), 0), COUNT(IF(LENGTH(data) > 1048576, 1, NULL)),
			COUNT(IF(format > $FORMAT AND expires_at > UTC_TIMESTAMP(6), 1, NULL))
		FROM $TABLE`,
	due: `SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(expires_at), UTC_TIMESTAMP(6)) DIV 1000, 0)
		FROM (SELECT expires_at FROM $TABLE WHERE reap_after <= UTC_TIMESTAMP() AND expires_at <= UTC_TIMESTAMP(6) ORDER BY reap_after LIMIT 100001) AS due`,
	sample: `SELECT COUNT(*), COALESCE(AVG(LENGTH(data)), 0), COALESCE(MAX(LENGTH(data)), 0), COUNT(IF(LENGTH(data) > 1048576, 1, NULL))
		FROM (SELECT data FROM $TABLE LIMIT 10000) AS looked`,
	later: `SELECT COUNT(*)
		FROM (SELECT format, expires_at FROM $TABLE ORDER BY id DESC LIMIT 10000) AS looked
		WHERE format > $FORMAT AND expires_at > UTC_TIMESTAMP(6)`,
}

const (
	myStorage = `SELECT COALESCE(t.engine, ''), COALESCE(c.character_set_name, ''), COALESCE(c.collation_name, '')
		FROM information_schema.tables AS t JOIN information_schema.columns AS c USING (table_schema, table_name)
		WHERE t.table_schema = $SCHEMA AND t.table_name = '$NAME' AND c.column_name = 'data'`
	mySize = `SELECT COALESCE(data_length, 0), COALESCE(index_length, 0) FROM information_schema.tables WHERE table_schema = $SCHEMA AND table_name = '$NAME'`
)

func myExamStorage(ctx context.Context, x *examination) error {
	var engine, charset, collation string
	if err := x.get(ctx, myStorage, &engine, &charset, &collation); err != nil {
		return err
	}
	x.name = "engine"
	if engine == "InnoDB" {
		x.ok("the table is in InnoDB", engine)
	} else {
		x.fail(fmt.Sprintf("the table is in %s, which has no transactions that survive a crash", engine), x.names.Replace("run ALTER TABLE $TABLE ENGINE = InnoDB"), engine)
	}
	x.name = "charset"
	const change = "run ALTER TABLE $TABLE MODIFY `data` MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
	switch {
	case charset == "":
		return nil // it is no text, which the columns said
	case charset != "utf8mb4":
		x.fail(fmt.Sprintf("column data is in %s: text that it lacks is refused or lost", charset), x.names.Replace(change), charset)
	case collation != "utf8mb4_bin":
		x.note(fmt.Sprintf("column data has collation %s, and the migration makes it utf8mb4_bin; the store compares no data, so nothing depends on it", collation), x.names.Replace(change), collation)
	default:
		x.ok("column data is in utf8mb4", charset)
	}
	return nil
}

func myExamSize(ctx context.Context, x *examination) error {
	var table, indexes int64
	err := x.get(ctx, mySize, &table, &indexes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // dropped since
	}
	if err != nil {
		return err
	}
	x.ok(fmt.Sprintf("the table takes about %s and its indexes %s", size(table), size(indexes)), table+indexes)
	return nil
}
