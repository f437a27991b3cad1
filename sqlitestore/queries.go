package sqlitestore

import "strings"

// The tokens in the statements below. Times are milliseconds since 1970, UTC, by
// SQLite's clock, which stands still within a statement. An hour has 3600000.
//
// Names of columns are not quoted: where a table lacks a column, SQLite takes its
// quoted name for a string, and the statement finds the wrong rows in place of failing.
//
// The mark, reap_after, is when the reaper next checks the row, at the latest one
// hour after it expires. It is the only indexed time: requests may move it
// earlier, only the reaper moves it later.
var large = strings.NewReplacer(
	"$COLUMNS", `id, verifier, version, format, coalesce(user_id, ''), coalesce(label, ''), data,
	created_at, authenticated_at, expires_at - $NOW, absolute_expires_at - $NOW`,

	"$LIVE", `expires_at > $NOW`,

	// The mark finds a row, the expiry decides. The minute is a margin for a clock
	// that is set back.
	"$DUE", `reap_after <= $NOW - 60000`,
	"$DEAD", `expires_at <= $NOW - 60000`,

	// Some 285,000 years. Later marks would not fit the column.
	"$FAR", `9000000000000000`,

	"$LIMIT", `CASE WHEN ?4 > 0 THEN $NOW + ?4 ELSE absolute_expires_at END`,
)

// queries are the statements with one table's name in them.
type queries struct {
	load, create, save, touch, exists string

	end, endUser, endLabel, endAll string

	listID, listUser, listLabel, listAll, stats string

	postpone, reap string
}

func newQueries(table string) *queries {
	small := strings.NewReplacer("$TABLE", table, "$NOW", `CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)`)
	q := func(sql string) string { return small.Replace(large.Replace(sql)) }
	which := func(sql, condition string) string { return q(strings.Replace(sql, "$WHICH", condition, 1)) }

	const endMany = `
DELETE FROM $TABLE
WHERE rowid IN (
	SELECT rowid FROM $TABLE
	WHERE $WHICH AND $LIVE AND id NOT IN (SELECT unhex(value, '-') FROM json_each(?1))
	ORDER BY id
	LIMIT ?2)`

	// Only 16 bytes are an ID. Others are left out here, so that a page which is
	// not full is the last one.
	const list = `
SELECT $COLUMNS
FROM $TABLE
WHERE $WHICH AND id > ?1 AND length(id) = 16 AND $LIVE
ORDER BY id
LIMIT ?2`

	return &queries{
		load: q(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ?1 AND $LIVE`),

		// DO NOTHING instead of an error, because drivers do not agree on what errors look like.
		create: q(`
INSERT INTO $TABLE (id, verifier, version, user_id, label, data,
	created_at, authenticated_at, absolute_expires_at, expires_at, reap_after)
VALUES (?1, ?2, ?5, nullif(?6, ''), nullif(?7, ''), ?8,
	$NOW, CASE WHEN ?9 THEN $NOW END, $NOW + ?4, $NOW + min(?3, ?4), (($NOW + min(?3, ?4)) / 3600000 + 1) * 3600000)
ON CONFLICT DO NOTHING`),

		// The verifier and the version keep it from overwriting another request's
		// change, and the expiry from reviving a dead row.
		save: q(`
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
WHERE id = ?1 AND verifier = ?2 AND version = ?11 AND $LIVE`),

		// The throttle is in the condition, so that one of many parallel requests
		// writes; and it makes the move monotone.
		touch: q(`
UPDATE $TABLE
SET expires_at = min($NOW + ?3, absolute_expires_at)
WHERE id = ?1 AND verifier = ?2 AND $LIVE
	AND expires_at <= min($NOW + ?3, absolute_expires_at) - ?4`),

		// What a save or a touch that changed nothing asks next.
		exists: q(`
SELECT 1
FROM $TABLE
WHERE id = ?1 AND verifier = ?2 AND $LIVE`),

		// A row that is past its expiry goes too: a clock that is set back must not
		// revive what a user has ended.
		end: q(`
DELETE FROM $TABLE
WHERE id = ?1 AND (?2 IS NULL OR coalesce(user_id, '') = ?2)
RETURNING $LIVE`),

		endUser:  which(endMany, `user_id = ?3`),
		endLabel: which(endMany, `label = ?3`),
		endAll:   which(endMany, `true`),

		listID:    which(list, `id = ?3`),
		listUser:  which(list, `user_id = ?3`),
		listLabel: which(list, `label = ?3`),
		listAll:   which(list, `true`),

		stats: q(`
SELECT count(*) FILTER (WHERE $LIVE), count(*) FILTER (WHERE $DUE AND $DEAD)
FROM $TABLE`),

		postpone: q(`
UPDATE $TABLE
SET reap_after = (min(expires_at, $FAR) / 3600000 + 1) * 3600000
WHERE NOT $DEAD AND rowid IN (SELECT rowid FROM $TABLE WHERE $DUE ORDER BY reap_after LIMIT ?1)`),

		reap: q(`
DELETE FROM $TABLE
WHERE $DEAD AND rowid IN (SELECT rowid FROM $TABLE WHERE $DUE ORDER BY reap_after LIMIT ?1)`),
	}
}
