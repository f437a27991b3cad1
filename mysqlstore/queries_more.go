package mysqlstore

import "github.com/sqlsessions/sessions/internal/native"

// The statements that end rows, and those that find rows by other things than a verifier.

// What endAll and list select.
var selections = [...]string{native.ByUser: `user_id = ?`, native.ByLabel: `label = ?`, native.Everything: `TRUE`, native.ByID: `id = ?`}

// The user and the version are compared unless the parameter before them is true. The new
// version makes sure that a row which matches changes. A row that is past its expiry stays
// as it is.
var end = statements.Add(`
UPDATE $TABLE
SET $ENDED
WHERE id = ? AND (? OR user_id <=> ?) AND (? OR version = ?) AND expires_at > $NOW`)

// Whether a row that was not ended is there, with another version.
var standing = statements.Add(`
SELECT version
FROM $TABLE
WHERE id = ? AND (? OR user_id <=> ?) AND expires_at > $NOW
LIMIT 1`)

// The first rows of those that EndAll selects; then they are ended.
// Rows that have just expired are among them, because a save that began before and was not yet
// committed may bring one back. The statement that ends them waits for it.
var endAllFind = statements.AddEach(`
SELECT id
FROM $TABLE
WHERE $SELECTED AND id > ? AND expires_at > $NOW - INTERVAL 1 MINUTE
ORDER BY id
LIMIT ?`, "$SELECTED", selections[:native.ByID]...)

// By primary key, so it locks the rows that it ends and no gap between rows. Otherwise the
// optimizer could choose the index on users, take its locks in the reverse order of a save,
// and deadlock with it.
var endAllKeys = statements.AddEach(`
UPDATE $TABLE FORCE INDEX (PRIMARY)
SET $ENDED
WHERE id IN ($KEYS) AND $SELECTED AND expires_at > $NOW`, "$SELECTED", selections[:native.ByID]...)

// One row for the marks of a name, and only that row is locked. A mark that another statement
// sets at the same time is waited for, and kept after this one with how much earlier it was
// set. What a row said that need not be kept any more is over. What is no list was damaged,
// and must not fail a revocation. The data comes first, because it depends on the other
// columns as they were. reap_after stays, because keep_until only
// moves later.
var putMark = statements.Add(`
INSERT INTO $TABLE
SET id = ?, data = CONCAT('[', $TEXT, ']'), version = ?,
	created_at = $NOW, seen_at = $NOW, absolute_expires_at = $PAST, expires_at = $PAST,
	ended_at = $NOW, ended_reason = 'mark',
	keep_until = $NOW + INTERVAL ? MICROSECOND,
	reap_after = $HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, $NOW + INTERVAL ? MICROSECOND) HOUR
ON DUPLICATE KEY UPDATE data = CONCAT('[', $TEXT, CASE
		WHEN keep_until <= $NOW THEN ']'
		WHEN LENGTH(data) > 4000 OR data NOT LIKE '[{%' THEN CONCAT(',', $EARLIER, ']')
		ELSE CONCAT(',', $EARLIER, ',', SUBSTRING(data, 2))
	END),
	version = ?,
	ended_at = GREATEST(ended_at, $NOW),
	keep_until = GREATEST(keep_until, $NOW + INTERVAL ? MICROSECOND)`)

// The first waits until its node of a Galera cluster has applied what others have answered
// for, because a revocation may have been noted there. Only MariaDB reads this comment. The
// second is for a MariaDB that was built without Galera and has no such variable.
var marks = statements.AddEach(`$WAIT
SELECT id, CONVERT(data USING binary), TIMESTAMPDIFF(MICROSECOND, ended_at, $NOW)
FROM $TABLE
WHERE id IN ($KEYS) AND keep_until > $NOW
LIMIT 1000`, "$WAIT", "/*M!100100 SET STATEMENT wsrep_sync_wait = 1 FOR */", "")

// Most rows that are asked about are live, and are left out here. A row that ended has its
// reason even after the time for which it is kept. A list of IDs in place of the array would
// make MariaDB read the whole table from 1,000 on.
var endings = statements.Add(`
SELECT UNHEX(j.id), s.id IS NULL, s.ended_reason,
	TIMESTAMPDIFF(MICROSECOND, $UNIX, s.ended_at),
	TIMESTAMPDIFF(MICROSECOND, $UNIX, s.expires_at),
	s.expires_at < s.absolute_expires_at
FROM $IDS
LEFT JOIN $TABLE AS s ON s.id = UNHEX(j.id)
WHERE s.id IS NULL OR s.expires_at <= $NOW
LIMIT 1000000`)

var list = statements.AddEach(`
SELECT id, $COLUMNS
FROM $TABLE
WHERE $SELECTED AND id > ? AND expires_at > $NOW
ORDER BY id
LIMIT ?`, "$SELECTED", selections[:]...)

var listNewest = statements.Add(`
SELECT id, $COLUMNS
FROM $TABLE
WHERE user_id = ? AND expires_at > $NOW
ORDER BY pending, COALESCE(authenticated_at, created_at) DESC, id DESC
LIMIT ?`)

var stats = statements.Add(`
SELECT COUNT(IF(expires_at > $NOW AND pending = 0, 1, NULL)),
	COUNT(IF(ended_at IS NOT NULL AND keep_until > $NOW, 1, NULL)),
	COUNT(IF($DUE AND $DEAD, 1, NULL))
FROM $TABLE
WHERE ended_reason IS NULL OR ended_reason <> 'mark'
LIMIT 1`)

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

// The year replaces a time that has no full hour after it.
var postpone = statements.Add(`
UPDATE $TABLE FORCE INDEX (PRIMARY)
SET reap_after = $HOURS + INTERVAL 1 + TIMESTAMPDIFF(HOUR, $HOURS, LEAST($OVER, $FAR)) HOUR
WHERE id IN ($KEYS)`)
