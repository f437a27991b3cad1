package sqlitestore

import "github.com/sqlsessions/sessions/internal/native"

// What endAll and list select.
var selections = [...]string{native.ByUser: `user_id = ?3`, native.ByLabel: `label = ?3`, native.Everything: `true`, native.ByID: `id = ?3`}

// A row that is past its expiry stays as it is.
var end = statements.Add(`
UPDATE $TABLE
SET $ENDED
WHERE id = ?1 AND (?2 IS NULL OR coalesce(user_id, '') = ?2) AND (?3 = 0 OR version = ?3) AND $LIVE`)

// Whether the row is there, if one of a certain version did not end.
var standing = statements.Add(`
SELECT version
FROM $TABLE
WHERE id = ?1 AND (?2 IS NULL OR coalesce(user_id, '') = ?2) AND $LIVE`)

// Rows that ended are no user's any more, and those of everything are before the ID to go
// on after, so that no page reads what those before it have ended.
var endAll = statements.AddEach(`
UPDATE $TABLE
SET $ENDED
WHERE rowid IN (
	SELECT rowid FROM $TABLE
	WHERE $SELECTED AND id > ?1 AND $LIVE AND id NOT IN (SELECT unhex(value, '-') FROM json_each(?7))
	ORDER BY id
	LIMIT ?2)
RETURNING id`, "$SELECTED", selections[:native.ByID]...)

// A mark that the row has is kept after this one, with how much earlier it was set. What a row
// said that need not be kept any more is over. What is no list was damaged, and must not fail
// a revocation.
var putMark = statements.Add(`
INSERT INTO $TABLE (id, version, data, created_at, seen_at, ended_at, ended_reason,
	absolute_expires_at, expires_at, keep_until, reap_after)
VALUES (?1, ?2, '[' || ?3 || ']', $NOW, $NOW, $NOW, 'mark',
	$PAST, $PAST, $NOW + ?4, (($NOW + ?4) / 3600000 + 1) * 3600000)
ON CONFLICT (id) DO UPDATE
SET version = excluded.version,
	data = '[' || ?3 || CASE
		WHEN keep_until <= $NOW THEN ']'
		WHEN length(data) > 4000 OR data NOT LIKE '[{%' THEN ',' || $EARLIER || ']'
		ELSE ',' || $EARLIER || ',' || substr(data, 2)
	END,
	ended_at = max(ended_at, excluded.ended_at),
	keep_until = max(keep_until, excluded.keep_until),
	reap_after = min(reap_after, excluded.reap_after)`)

var marks = statements.Add(`
SELECT id, data, $NOW - ended_at
FROM $TABLE
WHERE id IN (SELECT unhex(value, '-') FROM json_each(?1)) AND keep_until > $NOW`)

var endings = statements.Add(`
SELECT asked.value, s.id IS NULL, coalesce(ended_reason, ''), ended_at, expires_at, coalesce(expires_at < absolute_expires_at, 0)
FROM json_each(?1) AS asked
LEFT JOIN $TABLE AS s ON s.id = unhex(asked.value, '-')
WHERE s.id IS NULL OR NOT ($LIVE)`)

// Only 16 bytes are an ID. Others are left out here, so that a page which is not full is
// the last one.
var list = statements.AddEach(`
SELECT $COLUMNS
FROM $TABLE
WHERE $SELECTED AND id > ?1 AND length(id) = 16 AND $LIVE
ORDER BY id
LIMIT ?2`, "$SELECTED", selections[:]...)

// The newest of a user's rows, which are all read.
var listNewest = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE user_id = ?1 AND length(id) = 16 AND $LIVE
ORDER BY pending, coalesce(authenticated_at, created_at) DESC, id DESC
LIMIT ?2`)

var stats = statements.Add(`
SELECT count(*) FILTER (WHERE $LIVE AND NOT pending),
	count(*) FILTER (WHERE ended_at IS NOT NULL AND keep_until > $NOW),
	count(*) FILTER (WHERE $DUE AND $DEAD)
FROM $TABLE
WHERE $SESSION`)

var postpone = statements.Add(`
UPDATE $TABLE
SET reap_after = (min($LAST, $FAR) / 3600000 + 1) * 3600000
WHERE NOT $DEAD AND rowid IN (SELECT rowid FROM $TABLE WHERE $DUE ORDER BY reap_after LIMIT ?1)`)

var reap = statements.Add(`
DELETE FROM $TABLE
WHERE $DEAD AND rowid IN (SELECT rowid FROM $TABLE WHERE $DUE ORDER BY reap_after LIMIT ?1)`)
