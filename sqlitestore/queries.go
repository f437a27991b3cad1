package sqlitestore

import (
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// The statements. They share the tokens that follow; $TABLE is the table.
//
// Times are milliseconds since 1970, UTC, by SQLite's clock, which stands still within a
// statement. An hour has 3600000.
//
// Names of columns are not quoted: if a table lacks a column, SQLite takes its quoted name
// for a string, and the statement finds the wrong rows instead of failing.
//
// reap_after is when the reaper next checks the row, at the latest one hour after it
// expires. It is the only indexed time: requests may move it earlier, only the reaper
// moves it later.
var statements = stmt.NewList(
	"$COLUMNS", `id, verifier, version, format, coalesce(user_id, ''), coalesce(label, ''), data,
	created_at, authenticated_at, expires_at - $NOW, absolute_expires_at - $NOW`,

	"$LIVE", `expires_at > $NOW`,

	// The mark finds a row, and the expiry proves it dead. The minute is a margin for a
	// clock that is set back.
	"$DUE", `reap_after <= $NOW - 60000`,
	"$DEAD", `expires_at <= $NOW - 60000`,

	// Some 285,000 years. Later marks would not fit the column.
	"$FAR", `9000000000000000`,

	"$LIMIT", `CASE WHEN ?4 > 0 THEN $NOW + ?4 ELSE absolute_expires_at END`,

	"$NOW", `CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)`,
)

// What endAll and list select.
var selections = [...]string{native.ByUser: `user_id = ?3`, native.ByLabel: `label = ?3`, native.Everything: `true`, native.ByID: `id = ?3`}

var load = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ?1 AND $LIVE`)

// DO NOTHING and no error, because drivers do not agree on what errors look like.
var create = statements.Add(`
INSERT INTO $TABLE (id, verifier, version, user_id, label, data,
	created_at, authenticated_at, absolute_expires_at, expires_at, reap_after)
VALUES (?1, ?2, ?5, nullif(?6, ''), nullif(?7, ''), ?8,
	$NOW, CASE WHEN ?9 THEN $NOW END, $NOW + ?4, $NOW + min(?3, ?4), (($NOW + min(?3, ?4)) / 3600000 + 1) * 3600000)
ON CONFLICT DO NOTHING`)

// The version keeps it from overwriting another change, the expiry from bringing back a
// dead row, and an UPDATE never inserts.
var save = statements.Add(`
UPDATE $TABLE
SET version = ?5,
	user_id = nullif(?6, ''),
	label = nullif(?7, ''),
	data = ?8,
	authenticated_at = CASE WHEN ?9 THEN $NOW ELSE authenticated_at END,
	verifier = ?10,
	absolute_expires_at = $LIMIT,
	expires_at = min($NOW + ?3, $LIMIT),
	reap_after = min(reap_after, (min($NOW + ?3, $LIMIT) / 3600000 + 1) * 3600000)
WHERE id = ?1 AND verifier = ?2 AND version = ?11 AND $LIVE`)

// Whether the row is there, if a save or touch changed nothing.
var state = statements.Add(`
SELECT 1
FROM $TABLE
WHERE id = ?1 AND verifier = ?2 AND $LIVE`)

// The throttle is in the condition, so that of many parallel requests one writes. It also
// keeps a touch from moving an expiry backward.
var touch = statements.Add(`
UPDATE $TABLE
SET expires_at = min($NOW + ?3, absolute_expires_at)
WHERE id = ?1 AND verifier = ?2 AND $LIVE
	AND expires_at <= min($NOW + ?3, absolute_expires_at) - ?4`)

// A row that is past its expiry goes too: a clock that is set back must not revive what a
// user has ended.
var end = statements.Add(`
DELETE FROM $TABLE
WHERE id = ?1 AND (?2 IS NULL OR coalesce(user_id, '') = ?2)
RETURNING $LIVE`)

var endAll = statements.AddEach(`
DELETE FROM $TABLE
WHERE rowid IN (
	SELECT rowid FROM $TABLE
	WHERE $SELECTED AND $LIVE AND id NOT IN (SELECT unhex(value, '-') FROM json_each(?1))
	ORDER BY id
	LIMIT ?2)`, "$SELECTED", selections[:native.ByID]...)

// Only 16 bytes are an ID. Others are left out here, so that a page which is not full is
// the last one.
var list = statements.AddEach(`
SELECT $COLUMNS
FROM $TABLE
WHERE $SELECTED AND id > ?1 AND length(id) = 16 AND $LIVE
ORDER BY id
LIMIT ?2`, "$SELECTED", selections[:]...)

var stats = statements.Add(`
SELECT count(*) FILTER (WHERE $LIVE), count(*) FILTER (WHERE $DUE AND $DEAD)
FROM $TABLE`)

var postpone = statements.Add(`
UPDATE $TABLE
SET reap_after = (min(expires_at, $FAR) / 3600000 + 1) * 3600000
WHERE NOT $DEAD AND rowid IN (SELECT rowid FROM $TABLE WHERE $DUE ORDER BY reap_after LIMIT ?1)`)

var reap = statements.Add(`
DELETE FROM $TABLE
WHERE $DEAD AND rowid IN (SELECT rowid FROM $TABLE WHERE $DUE ORDER BY reap_after LIMIT ?1)`)
