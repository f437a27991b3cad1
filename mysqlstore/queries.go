package mysqlstore

import (
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// The statements. They share the tokens that follow; $TABLE is the table, and $KEYS stands
// for as many places as there are keys.
//
// Times are UTC, computed and compared by the database alone: neither the
// application's clock nor any time zone setting matters. Durations are passed and returned
// as microseconds.
//
// An UPDATE assigns columns from left to right, or all at once, or in no certain
// order: that depends on the server, its sql_mode and the statement. So every
// expression means the same before and after each of the other assignments.
var statements = stmt.NewList(
	// The columns of a row, after its ID. Data comes as bytes, so the connection's
	// character set does not matter. CAST would do that too, at twice the cost, and
	// on MariaDB gives NULL for data that is larger than the server's max_allowed_packet.
	"$COLUMNS", `verifier, user_id, label, CONVERT(data USING binary), version, format,
		TIMESTAMPDIFF(MICROSECOND, $UNIX, created_at),
		TIMESTAMPDIFF(MICROSECOND, $UNIX, authenticated_at),
		TIMESTAMPDIFF(MICROSECOND, $NOW, expires_at),
		TIMESTAMPDIFF(MICROSECOND, $NOW, absolute_expires_at)`,

	// The idle expiry. An absolute timeout that does not restart is NULL; otherwise the
	// idle timeout is no longer. The result is the same before and after the absolute
	// expiry is set.
	"$EXPIRY", `LEAST($NOW + INTERVAL ? MICROSECOND, absolute_expires_at)`,
	"$SAVED", `LEAST($NOW + INTERVAL ? MICROSECOND, COALESCE($NOW + INTERVAL ? MICROSECOND, absolute_expires_at))`,
	"$KEPT", `LEAST($NOW + INTERVAL j.idle MICROSECOND, s.absolute_expires_at)`,
	"$RENEWED", `LEAST($NOW + INTERVAL j.idle MICROSECOND, COALESCE($NOW + INTERVAL j.absolute MICROSECOND, s.absolute_expires_at))`,

	// The rows of a statement for many, from one JSON array of arrays. They are sorted by
	// ID and locked in that order, so two of these statements may wait for each other but
	// do not deadlock. Each column costs time, and more if it comes after a long one.
	"$SAVES", `JSON_TABLE($TEXT, '$[*]' COLUMNS (
		id VARBINARY(32) PATH '$[0]' ERROR ON ERROR,
		version BIGINT PATH '$[1]' ERROR ON ERROR,
		idle BIGINT PATH '$[2]' ERROR ON ERROR,
		user_id VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[3]' ERROR ON ERROR,
		label VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[4]' ERROR ON ERROR,
		data MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[5]' ERROR ON ERROR)) AS j`,
	"$ROWS", `JSON_TABLE($TEXT, '$[*]' COLUMNS (
		id VARBINARY(32) PATH '$[0]' ERROR ON ERROR,
		version BIGINT PATH '$[1]' ERROR ON ERROR,
		idle BIGINT PATH '$[2]' ERROR ON ERROR,
		absolute BIGINT PATH '$[3]' ERROR ON ERROR,
		authenticated TINYINT PATH '$[4]' ERROR ON ERROR,
		verifier VARBINARY(64) PATH '$[5]' ERROR ON ERROR,
		user_id VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[6]' ERROR ON ERROR,
		label VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[7]' ERROR ON ERROR,
		data MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[8]' ERROR ON ERROR)) AS j`,
	"$TOUCHES", `JSON_TABLE($TEXT, '$[*]' COLUMNS (
		id VARBINARY(32) PATH '$[0]' ERROR ON ERROR,
		proof VARBINARY(64) PATH '$[1]' ERROR ON ERROR,
		idle BIGINT PATH '$[2]' ERROR ON ERROR,
		throttle BIGINT PATH '$[3]' ERROR ON ERROR)) AS j`,

	// Text is UTF-8, whatever character set the connection has. Otherwise the server
	// would convert it: an emoji would come back as "?" through a connection of utf8mb3.
	"$TEXT", `CONVERT(CAST(? AS BINARY) USING utf8mb4)`,

	// reap_after is when the reaper next checks the row: at the full hour after it expires,
	// or earlier. Requests may move it earlier, to an hour after the new expiry; only the
	// reaper moves it later. It finds a row, and the expiry proves it dead. The minute is a
	// margin for a replica that takes over with another clock.
	"$DUE", `reap_after <= $NOW - INTERVAL 1 MINUTE`,
	"$DEAD", `expires_at <= $NOW - INTERVAL 1 MINUTE`,

	"$NOW", `UTC_TIMESTAMP(6)`,
	"$UNIX", `TIMESTAMP'1970-01-01 00:00:00'`,
	"$HOURS", `TIMESTAMP'2000-01-01 00:00:00'`, // hours are counted from here
)

// What endAll and list select.
var selections = [...]string{native.ByUser: `user_id = ?`, native.ByLabel: `label = ?`, native.Everything: `TRUE`, native.ByID: `id = ?`}

var load = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ? AND expires_at > $NOW`)

var create = statements.Add(`
INSERT INTO $TABLE
SET id = ?, verifier = ?, user_id = ?, label = ?, data = $TEXT, version = ?,
	created_at = $NOW,
	authenticated_at = IF(?, $NOW, NULL),
	absolute_expires_at = $NOW + INTERVAL ? MICROSECOND,
	expires_at = $NOW + INTERVAL ? MICROSECOND,
	reap_after = $HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, $NOW + INTERVAL ? MICROSECOND) HOUR`)

// The version keeps it from overwriting another request's change, the expiry from
// bringing back a dead row, and an UPDATE never inserts. The new version also makes
// sure that a row which matches changes: MySQL counts changed rows.
var save = statements.Add(`
UPDATE $TABLE
SET verifier = ?, user_id = ?, label = ?, data = $TEXT, version = ?,
	authenticated_at = IF(?, $NOW, authenticated_at),
	reap_after = LEAST(reap_after, $NOW + INTERVAL ? MICROSECOND + INTERVAL 1 HOUR),
	expires_at = $SAVED,
	absolute_expires_at = COALESCE($NOW + INTERVAL ? MICROSECOND, absolute_expires_at)
WHERE id = ? AND verifier = ? AND version = ? AND expires_at > $NOW`)

// Why a save found nothing.
var state = statements.Add(`
SELECT verifier
FROM $TABLE
WHERE id = ? AND expires_at > $NOW`)

// LAST_INSERT_ID tells whether the row is there: the server reports its value as that of
// the last insert, and 0 if no row matches. The number of changed rows does not tell,
// because a row that is not due stays as it is, without a write. It takes a column's
// value, because MariaDB computes a constant before it looks for a row.
//
// The throttle is in the condition, so that of many parallel requests, on however many
// machines, one writes. It also keeps a touch from moving an expiry backward.
var touch = statements.Add(`
UPDATE $TABLE
SET expires_at = IF(LAST_INSERT_ID(LENGTH(id)) AND expires_at <= $EXPIRY - INTERVAL ? MICROSECOND, $EXPIRY, expires_at)
WHERE id = ? AND verifier = ? AND expires_at > $NOW`)

// The limit overrides sql_select_limit, which could leave rows out.
var loadMany = statements.Add(`
SELECT id, $COLUMNS
FROM $TABLE
WHERE id IN ($KEYS) AND expires_at > $NOW
LIMIT 1000`)

var createMany = statements.Add(`
INSERT INTO $TABLE
	(id, verifier, user_id, label, data, version,
	created_at, authenticated_at, absolute_expires_at, expires_at, reap_after)
SELECT UNHEX(j.id), UNHEX(j.verifier), j.user_id, j.label, j.data, j.version,
	$NOW, IF(j.authenticated, $NOW, NULL), $NOW + INTERVAL j.absolute MICROSECOND, $NOW + INTERVAL j.idle MICROSECOND,
	$HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, $NOW + INTERVAL j.idle MICROSECOND) HOUR
FROM $ROWS`)

// The rows that are not locked. Its own locks end with it, because autocommit is on.
var freeMany = statements.Add(`
SELECT id, verifier, version
FROM $TABLE
WHERE id IN ($KEYS) AND expires_at > $NOW
LIMIT 1000
FOR UPDATE SKIP LOCKED`)

// All or none: for a row that is not there, or has another version, the sum overflows,
// which is an error in every sql_mode and undoes the statement. The number of changed rows
// would not tell which were changed, and a query afterwards could meet a later change.
// The version stands for the verifier too: freeMany returned both, and no other
// state of a row has this version. One random number makes all the new versions.
var saveMany = statements.Add(`
UPDATE $SAVES
LEFT JOIN $TABLE AS s ON s.id = UNHEX(j.id)
SET s.user_id = j.user_id, s.label = j.label, s.data = j.data,
	s.version = CAST(s.version ^ ? AS SIGNED),
	s.reap_after = LEAST(s.reap_after, $NOW + INTERVAL j.idle MICROSECOND + INTERVAL 1 HOUR),
	s.expires_at = $KEPT
WHERE IF(s.version = j.version AND s.expires_at > $NOW, 1, ABS(j.version) + 1 + 9223372036854775807)`)

// The same for rows of which some get a new verifier, limit or time of authentication,
// which takes longer for all of them.
var renewMany = statements.Add(`
UPDATE $ROWS
LEFT JOIN $TABLE AS s ON s.id = UNHEX(j.id)
SET s.user_id = j.user_id, s.label = j.label, s.data = j.data,
	s.version = CAST(s.version ^ ? AS SIGNED),
	s.verifier = COALESCE(UNHEX(j.verifier), s.verifier),
	s.authenticated_at = IF(j.authenticated, $NOW, s.authenticated_at),
	s.reap_after = LEAST(s.reap_after, $NOW + INTERVAL j.idle MICROSECOND + INTERVAL 1 HOUR),
	s.expires_at = $RENEWED,
	s.absolute_expires_at = COALESCE($NOW + INTERVAL j.absolute MICROSECOND, s.absolute_expires_at)
WHERE IF(s.version = j.version AND s.expires_at > $NOW, 1, ABS(j.version) + 1 + 9223372036854775807)`)

var touchMany = statements.Add(`
UPDATE $TOUCHES
STRAIGHT_JOIN $TABLE AS s ON s.id = UNHEX(j.id)
SET s.expires_at = $KEPT
WHERE s.verifier = UNHEX(j.proof) AND s.expires_at > $NOW
	AND s.expires_at <= $KEPT - INTERVAL j.throttle MICROSECOND`)

// The user is compared unless the parameter before it is true.
var end = statements.Add(`
DELETE FROM $TABLE
WHERE id = ? AND (? OR user_id <=> ?) AND expires_at > $NOW`)

var endDead = statements.Add(`
DELETE FROM $TABLE
WHERE id = ? AND (? OR user_id <=> ?) AND expires_at <= $NOW`)

// The first rows of those that EndAll selects; then they are ended.
var endAllFind = statements.AddEach(`
SELECT id
FROM $TABLE
WHERE $SELECTED AND id > ? AND expires_at > $NOW
ORDER BY id
LIMIT ?`, "$SELECTED", selections[:native.ByID]...)

// By primary key, so it locks the rows that it ends and no gap between rows. Otherwise the
// optimizer could choose the index on users, take its locks in the reverse order of a save,
// and deadlock with it.
var endAllKeys = statements.AddEach(`
DELETE $TABLE
FROM $TABLE FORCE INDEX (PRIMARY)
WHERE id IN ($KEYS) AND $SELECTED AND expires_at > $NOW`, "$SELECTED", selections[:native.ByID]...)

var list = statements.AddEach(`
SELECT id, $COLUMNS
FROM $TABLE
WHERE $SELECTED AND id > ? AND expires_at > $NOW
ORDER BY id
LIMIT ?`, "$SELECTED", selections[:]...)

var stats = statements.Add(`
SELECT COUNT(IF(expires_at > $NOW, 1, NULL)), COUNT(IF($DUE AND $DEAD, 1, NULL))
FROM $TABLE`)

// A DELETE by the index would take its locks in the reverse order of a save and deadlock
// with it. So rows are locked first, except those that are locked already, and then
// deleted by primary key.
var selectDue = statements.Add(`
SELECT id, CAST(reap_after AS CHAR), $DEAD
FROM $TABLE
WHERE $DUE
ORDER BY reap_after, id
LIMIT ?
FOR UPDATE SKIP LOCKED`)

var selectNext = statements.Add(`
SELECT id, CAST(reap_after AS CHAR), $DEAD
FROM $TABLE
WHERE $DUE AND (reap_after > ? OR reap_after = ? AND id > ?)
ORDER BY reap_after, id
LIMIT ?
FOR UPDATE SKIP LOCKED`)

var reap = statements.Add(`
DELETE $TABLE
FROM $TABLE FORCE INDEX (PRIMARY)
WHERE id IN ($KEYS) AND $DEAD`)

// The year replaces an expiry that has no full hour after it.
var postpone = statements.Add(`
UPDATE $TABLE FORCE INDEX (PRIMARY)
SET reap_after = $HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, LEAST(expires_at, TIMESTAMP'9000-01-01 00:00:00')) HOUR
WHERE id IN ($KEYS)`)
