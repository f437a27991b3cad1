package mysqlsession

import (
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// The statements. They share the tokens that follow. Others depend on the table, and are
// shape's: $TABLE is the table, $SID, $EXPIRES and $DATA are its columns, $TEXT and
// $DOCUMENT take a sid and a session as they are compared and stored there, $LATEST is the
// last expiry and $PRIMARY the index. {sids} stands for as many places as there are sids.
//
// An expiry is a second of Unix time, so no time zone matters. Times come from the
// database's clock and are rounded as upstream rounds its own. Durations are passed and
// returned as microseconds.
var statements = stmt.NewList(
	// A row is dead half a second after its expiry, and no expiry is further away than
	// a duration can be.
	"$COLUMNS", `$JUST_SID, $JUST_TEXT, $VERSION,
		(CAST(LEAST($EXPIRES, 10000000000) AS SIGNED) * 1000000 + 500000 - $MICROS)`,

	"$JUST_SID", `CAST($SID AS BINARY)`,
	"$JUST_TEXT", `CAST($DATA AS BINARY)`,

	// Upstream has no counter, so a row's version is a digest of its text: row.Version.
	"$VERSION", `(CAST(CONV(LEFT(SHA2(CAST($DATA AS BINARY), 256), 15), 16, 10) AS SIGNED) + 1)`,

	"$NAMED", `$ID = CAST(? AS BINARY)`,

	// row.ID. No index can serve it, so a statement with it reads the whole table.
	"$ID", `CAST(CONCAT(LEFT($HASH, 8), '-', SUBSTR($HASH, 9, 4), '-8', SUBSTR($HASH, 14, 3), '-',
		SUBSTR('89ab', (CONV(SUBSTR($HASH, 17, 1), 16, 10) & 3) + 1, 1), SUBSTR($HASH, 18, 3), '-', SUBSTR($HASH, 21, 12)) AS BINARY)`,
	"$HASH", `SHA2(CAST($SID AS BINARY), 256)`,

	// The column's collation finds the row by the index, but also finds "a " for "a". The
	// sid is passed twice.
	"$FOUND", `$SID = $TEXT AND CAST($SID AS BINARY) = CAST(? AS BINARY)`,

	"$KEPT", `$DATA IS NOT NULL`,

	// LastInsertId tells whether an UPDATE with this found a row, unless a trigger takes the
	// value away. MySQL counts those that it changed or, with clientFoundRows, those that it
	// found.
	"$MARK", `0 * LAST_INSERT_ID(1)`,

	"$LIVE", `$DATA IS NOT NULL AND $EXPIRES >= $NOW`,
	"$DEAD", `$EXPIRES < $NOW`,

	// Whole numbers only, because how exact a quotient is depends on the session's settings.
	"$EXPIRY", `LEAST(GREATEST(($MICROS + CAST(? AS SIGNED) + 500000) DIV 1000000, 0), $LATEST)`,
	"$NOW", `(($MICROS + 500000) DIV 1000000)`,
	"$MICROS", `TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))`,

	// Rows that may be a user's. Only the parsed JSON is certain, but JSON_EXTRACT is an
	// error for the whole statement when any row is not JSON.
	"$OWNED", `LOCATE(CAST('`+row.QuotedMember+`' AS BINARY), CAST($DATA AS BINARY)) > 0
		AND LOCATE(CAST(? AS BINARY), CAST($DATA AS BINARY)) > 0`,
)

var create = statements.Add(`
INSERT INTO $TABLE ($SID, $EXPIRES, $DATA)
VALUES ($TEXT, $EXPIRY, $DOCUMENT)`)

// The version keeps it from overwriting another request's change, the expiry from
// bringing back a dead row, and an UPDATE never inserts. With another sid, it is
// one statement, so exactly one of the two is live at any moment.
var save = statements.Add(`
UPDATE $TABLE
SET $SID = $TEXT, $EXPIRES = $EXPIRY + $MARK, $DATA = $DOCUMENT
WHERE $FOUND AND $VERSION = ? AND $LIVE`)

// The throttle is in the statement, so that of many parallel requests, on however
// many machines, one writes. It also keeps an expiry from moving back.
var touch = statements.Add(`
UPDATE $TABLE
SET $EXPIRES = IF($EXPIRES < $EXPIRY AND $EXPIRES <= $EXPIRY, $EXPIRY, $EXPIRES) + $MARK
WHERE $FOUND AND $LIVE`)

// The version that a row with this text will have, in a column that does not keep it
// unchanged.
var versionOf = statements.Add(`
SELECT CAST(CONV(LEFT(SHA2(CAST(CAST($DOCUMENT AS JSON) AS BINARY), 256), 15), 16, 10) AS SIGNED) + 1`)

// The version is compared unless it is NULL.
var endLive = statements.Add(`
DELETE FROM $TABLE
WHERE $FOUND AND $LIVE AND (? IS NULL OR $VERSION = ?)`)

var endDead = statements.Add(`
DELETE FROM $TABLE
WHERE $FOUND AND $DATA IS NOT NULL AND $DEAD AND (? IS NULL OR $VERSION = ?)`)

// What the column's collation finds beside the sids is told from them by its bytes.
var find = statements.Add(`
SELECT $JUST_SID, $LIVE, CAST(LEAST($EXPIRES, 10000000000) AS SIGNED) * 1000000
FROM $TABLE
WHERE $SID IN ({sids}) AND $KEPT
LIMIT 1000000`)

// The condition on the sid is true of all rows and satisfies sql_safe_updates.
var endAll = statements.Add(`
DELETE FROM $TABLE
WHERE $SID >= '' AND $LIVE AND NOT FIND_IN_SET($ID, CAST(? AS BINARY))
ORDER BY $SID
LIMIT ?`)

// The dead rows, because Node can bring one back to life.
var endRest = statements.Add(`
DELETE FROM $TABLE
WHERE $SID >= '' AND NOT FIND_IN_SET($ID, CAST(? AS BINARY))`)

var reads = row.Statements{
	List: statements.AddEach(`
SELECT $COLUMNS
FROM $TABLE
WHERE $WHOSE AND $LIVE AND $ID > CAST(? AS BINARY)
ORDER BY $ID
LIMIT ?`, "$WHOSE", "? IS NOT NULL", "$OWNED"),
	InOrder: statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE $SID > $TEXT AND $LIVE
ORDER BY $SID
LIMIT ?`),
}.With(statements)

// A DELETE over an index on the expiry would take its locks in the reverse order of
// a request's update and deadlock with it. So the rows are locked first, without
// those that another connection has locked, and then deleted by their sids.
var selectDead = statements.Add(`
SELECT CAST($SID AS BINARY)
FROM $TABLE
WHERE $DEAD
ORDER BY $EXPIRES
LIMIT ?
FOR UPDATE SKIP LOCKED`)

var deleteDead = statements.Add(`
DELETE s
FROM $TABLE AS s FORCE INDEX ($PRIMARY)
WHERE s.$SID IN ({sids}) AND s.$DEAD`)

// The columns of the table. MariaDB and MySQL differ in the case of these columns' names,
// and lengths of longtext are unsigned.
const inspectColumns = `
SELECT COLUMN_NAME, LOWER(DATA_TYPE), LOCATE('unsigned', LOWER(COLUMN_TYPE)) > 0,
	CAST(COALESCE(CHARACTER_MAXIMUM_LENGTH, 0) AS SIGNED), CAST(COALESCE(CHARACTER_OCTET_LENGTH, 0) AS SIGNED),
	COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, '')
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND TABLE_NAME = ?
LIMIT 10000`

// Indexes with their first columns, and whether each keeps that column's values unique.
const inspectIndexes = `
SELECT INDEX_NAME, COALESCE(MAX(CASE WHEN SEQ_IN_INDEX = 1 THEN COLUMN_NAME END), ''),
	MAX(NON_UNIQUE) = 0 AND COUNT(*) = 1 AND MAX(COALESCE(SUB_PART, 0)) = 0
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND TABLE_NAME = ?
GROUP BY INDEX_NAME
LIMIT 10000`
