package pgstore

import "github.com/sqlsessions/sessions/internal/native"

// The statements that find rows by other things than a verifier.

// What endAll and list select.
var selections = [...]string{native.ByUser: `user_id = $1`, native.ByLabel: `label = $1`, native.Everything: `$1 = ''`}

// A row that is past its expiry stays as it is.
var end = statements.Add(`
UPDATE $TABLE
SET $ENDED
WHERE id = $1::uuid AND expires_at > now()
	AND ($5::text IS NULL OR coalesce(user_id, '') = $5::text) AND ($6::bigint IS NULL OR version = $6::bigint)`)

// What became of a row that was not ended.
var standing = statements.Add(`
SELECT version, expires_at > now()
FROM $TABLE
WHERE id = $1::uuid AND $MAY_LIVE AND ($2::text IS NULL OR coalesce(user_id, '') = $2::text)
FOR NO KEY UPDATE`)

// The rows are locked in the order of their IDs before the first is changed, so that two
// of these wait for each other but do not deadlock. A lock is on the newest state of a
// row, if that is still selected, so one that changes at the same time is ended too. What
// ended stays in the table, so each call begins after the last row of the one before.
var endAll = statements.AddEach(`
WITH found AS (
	SELECT id, expires_at > now() AS live
	FROM $TABLE
	WHERE $SELECTED AND id >= $5::uuid AND id::text <> $6 AND $MAY_LIVE AND id <> ALL ($7::uuid[])
	ORDER BY id
	LIMIT $8::bigint
	FOR NO KEY UPDATE
), ended AS (
	UPDATE $TABLE
	SET $ENDED
	WHERE id = ANY (ARRAY(SELECT id FROM found WHERE live))
	RETURNING id
)
SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM found WHERE live), (SELECT count(*) FROM ended),
	coalesce((SELECT id::text FROM found ORDER BY id DESC LIMIT 1), '')`,
	"$SELECTED", selections[:]...)

// A mark that another statement sets at the same time is waited for, and kept after this one
// with how much earlier it was set. ended_at is never before the earlier one's, which may
// have come between the time of this statement and its turn. What a row said that need not
// be kept any more is over. What is no list was damaged, and must not fail a revocation.
var putMark = statements.Add(`
INSERT INTO $TABLE AS s (id, version, data,
	created_at, absolute_expires_at, seen_at, expires_at, ended_at, ended_reason, keep_until, reap_after)
VALUES ($1::uuid, $2::bigint, ('[' || $3::text || ']')::json,
	now(), $PAST, now(), $PAST, now(), 'mark', $KEPT, $KEPT_MARK)
ON CONFLICT (id) DO UPDATE
SET $NOTED`)

// The same for a table that can have no key of its own, because its rows, or some, are on another
// server, which has one: postgres_fdw. Of the two, the first finds no mark, or the second one.
var (
	putNewMark = statements.Add(`
INSERT INTO $TABLE (id, version, data,
	created_at, absolute_expires_at, seen_at, expires_at, ended_at, ended_reason, keep_until, reap_after)
VALUES ($1::uuid, $2::bigint, ('[' || $3::text || ']')::json,
	now(), $PAST, now(), $PAST, now(), 'mark', $KEPT, $KEPT_MARK)
ON CONFLICT DO NOTHING`)
	putOldMark = statements.Add(`
UPDATE $TABLE AS s
SET $NOTED
WHERE id = $1::uuid`)
)

// A sign-in asks for up to three marks. In a statement of its own they are no array, for which
// PostgreSQL would plan again each time, and that takes longer than finding them.
var marks = statements.AddEach(`
SELECT id, data, ended_at, now()
FROM $TABLE
WHERE $ASKED AND keep_until > now()`, "$ASKED", "id IN ($1::uuid, $2::uuid, $3::uuid)", "id = ANY ($1::uuid[])")

// Most rows that are asked about are live, and are left out here. A row that ended has its
// reason even after the time for which it is kept.
var endings = statements.Add(`
SELECT u.id, s.id IS NULL, s.ended_at, coalesce(s.ended_reason, ''), s.expires_at, s.expires_at < s.absolute_expires_at
FROM unnest($1::uuid[]) AS u (id) LEFT JOIN $TABLE AS s ON s.id = u.id
WHERE s.id IS NULL OR s.expires_at <= now()`)

var list = statements.AddEach(`
SELECT $COLUMNS
FROM $TABLE
WHERE $SELECTED AND id >= $2::uuid AND id::text <> $3 AND expires_at > now()
ORDER BY id
LIMIT $4::bigint`, "$SELECTED", selections[:]...)

var listNewest = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE user_id = $1 AND expires_at > now()
ORDER BY pending, coalesce(authenticated_at, created_at) DESC, id DESC
LIMIT $2::bigint`)

var stats = statements.Add(`
SELECT count(*) FILTER (WHERE expires_at > now() AND NOT pending),
	count(*) FILTER (WHERE ended_at IS NOT NULL AND keep_until > now()),
	count(*) FILTER (WHERE $IS_MARKED AND $IS_DEAD)
FROM $TABLE
WHERE ended_reason IS DISTINCT FROM 'mark'`)

var search = statements.Add(`
SELECT ctid::text
FROM $TABLE
WHERE $IS_MARKED
ORDER BY reap_after
LIMIT $1::bigint`)

// By ctid, because by ID each row would be looked up twice, which takes as long again.
// But another row may have that place by now, and on a partitioned table each partition
// has a row there: the ID says which row was locked, and the expiry proves it dead. Of the
// rows at a place only those count that a search could find, and no more than a batch.
// IS TRUE keeps the planner from making a join of it, or from searching the index again.
//
// SKIP LOCKED: a row that a request or another reaper has locked is neither waited for nor
// deleted, and because nothing waits, nothing deadlocks.
var reap = statements.Add(`
WITH locked AS (
	SELECT ctid AS at, id
	FROM $TABLE
	WHERE ctid = ANY ($1::text[]::tid[]) AND ($IS_MARKED) IS TRUE AND $IS_DEAD
	LIMIT cardinality($1::text[])
	FOR UPDATE SKIP LOCKED
)
DELETE FROM $TABLE
WHERE $IS_DEAD AND ctid = ANY (ARRAY(SELECT at FROM locked)) AND (id IN (SELECT id FROM locked)) IS TRUE`)

var postpone = statements.Add(`
WITH locked AS (
	SELECT ctid AS at, id
	FROM $TABLE
	WHERE ctid = ANY ($1::text[]::tid[]) AND ($IS_MARKED) IS TRUE AND NOT $IS_DEAD
	LIMIT cardinality($1::text[])
	FOR UPDATE SKIP LOCKED
)
UPDATE $TABLE
SET reap_after = $LATER_MARK
WHERE NOT $IS_DEAD AND ctid = ANY (ARRAY(SELECT at FROM locked)) AND (id IN (SELECT id FROM locked)) IS TRUE`)

// The same for the first rows by their marks.

var reapFirst = statements.Add(`
WITH locked AS (
	SELECT ctid AS at, id
	FROM $TABLE
	WHERE $IS_MARKED
	ORDER BY reap_after
	LIMIT $1::bigint
	FOR UPDATE SKIP LOCKED
)
DELETE FROM $TABLE
WHERE $IS_DEAD AND ctid = ANY (ARRAY(SELECT at FROM locked)) AND (id IN (SELECT id FROM locked)) IS TRUE`)

var postponeFirst = statements.Add(`
WITH locked AS (
	SELECT ctid AS at, id
	FROM $TABLE
	WHERE $IS_MARKED
	ORDER BY reap_after
	LIMIT $1::bigint
	FOR UPDATE SKIP LOCKED
)
UPDATE $TABLE
SET reap_after = $LATER_MARK
WHERE NOT $IS_DEAD AND ctid = ANY (ARRAY(SELECT at FROM locked)) AND (id IN (SELECT id FROM locked)) IS TRUE`)
