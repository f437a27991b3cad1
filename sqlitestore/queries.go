package sqlitestore

import "github.com/sqlsessions/sessions/internal/stmt"

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
	"$COLUMNS", `id, verifier, version, format, pending, coalesce(user_id, ''), coalesce(label, ''), data,
	previous_verifier, coalesce(previous_until, 0),
	created_at, seen_at, coalesce(verifier_at, created_at), authenticated_at, expires_at, absolute_expires_at, $NOW`,

	"$LIVE", `expires_at > $NOW`,

	// The mark finds a row, and its expiry, and the time for which it is kept if there is
	// one, prove it dead. The minute is a margin for a clock that is set back.
	"$DUE", `reap_after <= $NOW - 60000`,
	"$DEAD", `$LAST <= $NOW - 60000`,
	"$LAST", `max(expires_at, coalesce(keep_until, expires_at))`,

	// Some 285,000 years. Later marks would not fit the column.
	"$FAR", `9000000000000000`,

	"$LIMIT", `CASE WHEN ?4 > 0 THEN $NOW + ?4 ELSE absolute_expires_at END`,

	// What an ending does to a row. Parameters 4 to 6 are its version from then on, why it
	// ended and for how long it is kept. The expiry is never now, so that a clock that is set
	// back brings no row back.
	"$ENDED", `version = ?4,
	verifier = NULL,
	previous_verifier = NULL,
	previous_until = NULL,
	user_id = NULL,
	label = NULL,
	data = '{}',
	pending = 0,
	expires_at = $PAST,
	ended_at = $NOW,
	ended_reason = ?5,
	keep_until = $KEPT,
	reap_after = min(reap_after, ($KEPT / 3600000 + 1) * 3600000)`,
	"$KEPT", `max(coalesce(keep_until, $NOW), $NOW + ?6)`,

	// No mark, which has ended and has no life beyond that.
	"$SESSION", `(ended_at IS NULL OR absolute_expires_at > expires_at)`,

	// How many microseconds before a mark the last one was set.
	"$EARLIER", `(1000 * max($NOW - ended_at, 0))`,

	// 1970-01-02.
	"$PAST", `86400000`,

	"$NOW", `CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)`,
)

var load = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ?1 AND $LIVE`)

// DO NOTHING and no error, because drivers do not agree on what errors look like.
var create = statements.Add(`
INSERT INTO $TABLE (id, verifier, version, user_id, label, data, pending,
	created_at, seen_at, authenticated_at, absolute_expires_at, expires_at,
	reap_after, keep_until)
VALUES (?1, ?2, ?5, nullif(?6, ''), nullif(?7, ''), ?8, CASE WHEN ?10 THEN 1 ELSE 0 END,
	$NOW, $NOW, CASE WHEN ?9 THEN $NOW END, $NOW + ?4, $NOW + min(?3, ?4),
	(($NOW + min(?3, ?4)) / 3600000 + 1) * 3600000, CASE WHEN ?11 > 0 THEN $NOW + ?11 END)
ON CONFLICT DO NOTHING`)

// The version keeps it from overwriting another change, the expiry from bringing back a
// dead row, and an UPDATE never inserts. With the same verifier the one before keeps what
// is left of its grace.
var save = statements.Add(`
UPDATE $TABLE
SET version = ?5,
	user_id = nullif(?6, ''),
	label = nullif(?7, ''),
	data = ?8,
	pending = CASE WHEN ?12 THEN 1 ELSE 0 END,
	seen_at = $NOW,
	authenticated_at = CASE WHEN ?9 THEN $NOW ELSE authenticated_at END,
	verifier = ?10,
	verifier_at = CASE WHEN ?10 = ?2 THEN verifier_at ELSE $NOW END,
	previous_verifier = CASE WHEN ?10 = ?2 THEN previous_verifier WHEN ?13 > 0 THEN ?2 END,
	previous_until = CASE WHEN ?10 = ?2 THEN previous_until WHEN ?13 > 0 THEN $NOW + ?13 END,
	absolute_expires_at = $LIMIT,
	expires_at = min($NOW + ?3, $LIMIT),
	reap_after = min(reap_after, (min($NOW + ?3, $LIMIT) / 3600000 + 1) * 3600000)
WHERE id = ?1 AND verifier = ?2 AND version = ?11 AND $LIVE`)

// Whether the row is there, if a save or touch changed nothing.
var state = statements.Add(`
SELECT 1
FROM $TABLE
WHERE id = ?1 AND verifier = ?2 AND $LIVE`)

// The throttle is in the condition, so that of many parallel requests one writes.
var touch = statements.Add(`
UPDATE $TABLE
SET seen_at = $NOW,
	expires_at = max(expires_at, min($NOW + ?3, absolute_expires_at))
WHERE id = ?1 AND verifier = ?2 AND $LIVE AND seen_at <= $NOW - ?4`)
