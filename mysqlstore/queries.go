package mysqlstore

import "github.com/sqlsessions/sessions/internal/stmt"

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
	"$COLUMNS", `verifier, IF(previous_until > $NOW, previous_verifier, NULL),
		user_id, label, CONVERT(data USING binary), version, format, pending,
		TIMESTAMPDIFF(MICROSECOND, $UNIX, $NOW),
		TIMESTAMPDIFF(MICROSECOND, $UNIX, created_at),
		TIMESTAMPDIFF(MICROSECOND, $UNIX, seen_at),
		TIMESTAMPDIFF(MICROSECOND, $UNIX, authenticated_at),
		TIMESTAMPDIFF(MICROSECOND, $UNIX, verifier_at),
		TIMESTAMPDIFF(MICROSECOND, $NOW, expires_at),
		TIMESTAMPDIFF(MICROSECOND, $NOW, absolute_expires_at)`,

	// The idle expiry. An absolute timeout that does not restart is NULL; otherwise the
	// idle timeout is no longer. The result is the same before and after the absolute
	// expiry is set.
	"$EXPIRY", `LEAST($NOW + INTERVAL ? MICROSECOND, absolute_expires_at)`,
	"$SAVED", `LEAST($NOW + INTERVAL ? MICROSECOND, COALESCE($NOW + INTERVAL ? MICROSECOND, absolute_expires_at))`,
	"$KEPT", `LEAST($NOW + INTERVAL j.idle MICROSECOND, s.absolute_expires_at)`,

	// The rows of a statement for many, from one JSON array of arrays. They are sorted by
	// ID and locked in that order, so two of these statements may wait for each other but
	// do not deadlock. Each column costs time, and more if it comes after a long one.
	"$ROWS", `JSON_TABLE($TEXT, '$[*]' COLUMNS (
		id VARBINARY(32) PATH '$[0]' ERROR ON ERROR,
		version BIGINT PATH '$[1]' ERROR ON ERROR,
		idle BIGINT PATH '$[2]' ERROR ON ERROR,
		absolute BIGINT PATH '$[3]' ERROR ON ERROR,
		authenticated TINYINT PATH '$[4]' ERROR ON ERROR,
		pending TINYINT PATH '$[5]' ERROR ON ERROR,
		verifier VARBINARY(64) PATH '$[6]' ERROR ON ERROR,
		span BIGINT PATH '$[7]' ERROR ON ERROR,
		user_id VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[8]' ERROR ON ERROR,
		label VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[9]' ERROR ON ERROR,
		data MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[10]' ERROR ON ERROR)) AS j`,
	"$IDS", `JSON_TABLE($TEXT, '$[*]' COLUMNS (
		id VARBINARY(32) PATH '$' ERROR ON ERROR)) AS j`,
	"$TOUCHES", `JSON_TABLE($TEXT, '$[*]' COLUMNS (
		id VARBINARY(32) PATH '$[0]' ERROR ON ERROR,
		proof VARBINARY(64) PATH '$[1]' ERROR ON ERROR,
		idle BIGINT PATH '$[2]' ERROR ON ERROR,
		throttle BIGINT PATH '$[3]' ERROR ON ERROR)) AS j`,

	"$AS_READ", `id IN ($KEYS) AND IF(version = $NUMBERS AND expires_at > $NOW, 1, ABS(version) + 1 + 9223372036854775807)`,

	// What is meant for a row, of as many values as there are keys.
	"$TEXTS", `CONVERT(CAST($PICK AS BINARY) USING utf8mb4)`,
	"$NUMBERS", `CAST($PICK AS SIGNED)`,
	"$PICK", `ELT(FIELD(id, $KEYS), $KEYS)`,

	// Text is UTF-8, whatever character set the connection has. Otherwise the server
	// would convert it: an emoji would come back as "?" through a connection of utf8mb3.
	"$TEXT", `CONVERT(CAST(? AS BINARY) USING utf8mb4)`,

	// reap_after is when the reaper next checks the row: at the full hour after it expires,
	// or earlier. Requests may move it earlier, to an hour after the new expiry; only the
	// reaper moves it later. It finds a row, and the expiry, and the time for which it is
	// kept if there is one, prove it dead. The minute is a margin for a replica that takes
	// over with another clock.
	"$DUE", `reap_after <= $NOW - INTERVAL 1 MINUTE`,
	"$DEAD", `$OVER <= $NOW - INTERVAL 1 MINUTE`,
	"$OVER", `COALESCE(GREATEST(expires_at, keep_until), expires_at)`,

	// What an ending does to a row. The expiry is never now: a statement that began before
	// the ending, and waited for the row, compares it with the time when it began, and would
	// take it for alive. Nor does a clock that is set back bring it back. reap_after stays
	// if it is early enough, so that its index need not change; the reaper moves it to where
	// it belongs.
	"$ENDED", `version = ?, ended_reason = ?, ended_at = $NOW, expires_at = $PAST, data = '{}', pending = FALSE,
	verifier = NULL, previous_verifier = NULL, previous_until = NULL, user_id = NULL, label = NULL,
	keep_until = GREATEST(COALESCE(keep_until, $NOW), $NOW + INTERVAL ? MICROSECOND),
	reap_after = LEAST(reap_after, $HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS,
		LEAST(GREATEST(COALESCE(keep_until, $NOW), $NOW + INTERVAL ? MICROSECOND), $FAR)) HOUR)`,

	// How many microseconds before a mark the last one was set.
	"$EARLIER", `GREATEST(TIMESTAMPDIFF(MICROSECOND, ended_at, $NOW), 0)`,

	"$NOW", `UTC_TIMESTAMP(6)`,
	"$UNIX", `TIMESTAMP'1970-01-01 00:00:00'`,
	"$PAST", `TIMESTAMP'1970-01-02 00:00:00'`,
	"$FAR", `TIMESTAMP'9000-01-01 00:00:00'`, // so that there is a next hour
	"$HOURS", `TIMESTAMP'2000-01-01 00:00:00'`, // hours are counted from here
)

// Every query has a limit, for one row too: it overrides sql_select_limit, which could leave
// rows out, and what is left out would pass for sessions that ended.

var load = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ? AND expires_at > $NOW
LIMIT 1`)

var create = statements.Add(`
INSERT INTO $TABLE
SET id = ?, verifier = ?, user_id = ?, label = ?, data = $TEXT, version = ?, pending = ?,
	created_at = $NOW, seen_at = $NOW,
	authenticated_at = IF(?, $NOW, NULL),
	keep_until = $NOW + INTERVAL ? MICROSECOND,
	absolute_expires_at = $NOW + INTERVAL ? MICROSECOND,
	expires_at = $NOW + INTERVAL ? MICROSECOND,
	reap_after = $HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, $NOW + INTERVAL ? MICROSECOND) HOUR`)

// The version keeps it from overwriting another request's change, the expiry from
// bringing back a dead row, and an UPDATE never inserts. The new version also makes
// sure that a row which matches changes: MySQL counts changed rows. The second statement
// is for a row that gets another verifier.
var save = statements.AddEach(`
UPDATE $TABLE
SET $VERIFIERS
	user_id = ?, label = ?, data = $TEXT, version = ?, pending = ?, seen_at = $NOW,
	authenticated_at = IF(?, $NOW, authenticated_at),
	reap_after = LEAST(reap_after, $NOW + INTERVAL ? MICROSECOND + INTERVAL 1 HOUR),
	expires_at = $SAVED,
	absolute_expires_at = COALESCE($NOW + INTERVAL ? MICROSECOND, absolute_expires_at)
WHERE id = ? AND verifier = ? AND version = ? AND expires_at > $NOW`,
	"$VERIFIERS", "", "verifier = ?, verifier_at = $NOW, previous_verifier = ?, previous_until = $NOW + INTERVAL ? MICROSECOND,")

// Why a save found nothing.
var state = statements.Add(`
SELECT verifier
FROM $TABLE
WHERE id = ? AND expires_at > $NOW
LIMIT 1`)

// LAST_INSERT_ID tells whether the row is there: the server reports its value as that of
// the last insert, and 0 if no row matches, or if a trigger takes the value away. The
// number of changed rows does not tell, because a row that is not due stays as it is,
// without a write. It takes a column's value, because MariaDB computes a constant before
// it looks for a row.
//
// The throttle is in the condition, so that of many parallel requests, on however many
// machines, one writes. If seen_at is assigned first, it is now when the other is computed.
var touch = statements.Add(`
UPDATE $TABLE
SET expires_at = IF(LAST_INSERT_ID(LENGTH(id)) AND (seen_at <= $NOW - INTERVAL ? MICROSECOND OR seen_at = $NOW),
		GREATEST(expires_at, $EXPIRY), expires_at),
	seen_at = IF(seen_at <= $NOW - INTERVAL ? MICROSECOND, $NOW, seen_at)
WHERE id = ? AND verifier = ? AND expires_at > $NOW`)

var loadMany = statements.Add(`
SELECT id, $COLUMNS
FROM $TABLE
WHERE id IN ($KEYS) AND expires_at > $NOW
LIMIT 1000`)

var createMany = statements.Add(`
INSERT INTO $TABLE
	(id, verifier, user_id, label, data, version, pending,
	created_at, seen_at, authenticated_at, keep_until,
	absolute_expires_at, expires_at, reap_after)
SELECT UNHEX(j.id), UNHEX(j.verifier), j.user_id, j.label, j.data, j.version, j.pending,
	$NOW, $NOW, IF(j.authenticated, $NOW, NULL), $NOW + INTERVAL j.span MICROSECOND,
	$NOW + INTERVAL j.absolute MICROSECOND, $NOW + INTERVAL j.idle MICROSECOND,
	$HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, $NOW + INTERVAL j.idle MICROSECOND) HOUR
FROM $ROWS`)

// The rows that are not locked. Its own locks end with it, because autocommit is on.
var freeMany = statements.Add(`
SELECT id, verifier, version
FROM $TABLE
WHERE id IN ($KEYS) AND expires_at > $NOW
LIMIT 1000
FOR UPDATE SKIP LOCKED`)

// Saves that differ in nothing but what is picked for each row, in two forms as above. A row
// that is not there is left out. For one that has another version the sum overflows, which is
// an error in every sql_mode and undoes the statement. The version stands for the verifier too:
// freeMany returned both, and no other state of a row has this version.
//
// It is no join, because MariaDB would write what the rows get to a file first, and make and
// remove that file took it as long as the rest.
var saveMany = statements.AddEach(`
UPDATE $TABLE AS s FORCE INDEX (PRIMARY)
SET $VERIFIERS
	user_id = $TEXTS, label = $TEXTS, data = $TEXTS, version = $NUMBERS, pending = ?, seen_at = $NOW,
	authenticated_at = IF(?, $NOW, authenticated_at),
	reap_after = LEAST(reap_after, $NOW + INTERVAL ? MICROSECOND + INTERVAL 1 HOUR),
	expires_at = $SAVED,
	absolute_expires_at = COALESCE($NOW + INTERVAL ? MICROSECOND, absolute_expires_at)
WHERE $AS_READ`,
	"$VERIFIERS", "", "verifier = $PICK, verifier_at = $NOW, previous_verifier = $PICK, previous_until = $NOW + INTERVAL ? MICROSECOND,")

// The same for any saves, which takes longer.
var saveMixed = statements.Add(`
UPDATE $TABLE AS s FORCE INDEX (PRIMARY)
SET verifier = COALESCE($PICK, verifier),
	verifier_at = IF($NUMBERS, $NOW, verifier_at),
	previous_verifier = IF($NUMBERS, $PICK, previous_verifier),
	previous_until = IF($NUMBERS, $NOW + INTERVAL $NUMBERS MICROSECOND, previous_until),
	user_id = $TEXTS, label = $TEXTS, data = $TEXTS, version = $NUMBERS, pending = $NUMBERS, seen_at = $NOW,
	authenticated_at = IF($NUMBERS, $NOW, authenticated_at),
	reap_after = LEAST(reap_after, $NOW + INTERVAL $NUMBERS MICROSECOND + INTERVAL 1 HOUR),
	expires_at = LEAST($NOW + INTERVAL $NUMBERS MICROSECOND, COALESCE($NOW + INTERVAL $NUMBERS MICROSECOND, absolute_expires_at)),
	absolute_expires_at = COALESCE($NOW + INTERVAL $NUMBERS MICROSECOND, absolute_expires_at)
WHERE $AS_READ`)

var touchMany = statements.Add(`
UPDATE $TOUCHES
STRAIGHT_JOIN $TABLE AS s ON s.id = UNHEX(j.id)
SET s.expires_at = GREATEST(s.expires_at, $KEPT), s.seen_at = $NOW
WHERE s.verifier = UNHEX(j.proof) AND s.expires_at > $NOW
	AND s.seen_at <= $NOW - INTERVAL j.throttle MICROSECOND`)
