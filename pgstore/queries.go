package pgstore

import (
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// The statements. They share the tokens that follow; $TABLE is the table.
//
// Times are computed and compared by the database alone: neither the
// application's clock nor a time zone setting matters. Durations are passed as
// microseconds, and IDs as text, which every driver can do in every mode.
var statements = stmt.NewList(
	"$COLUMNS", columns,

	// The mark, reap_after, is when the reaper next looks at the row: at the latest in
	// the even hour after it expires. It is the only indexed time. Requests may move it
	// earlier, only the reaper moves it later. So moving an expiry changes no index, and
	// the index has few distinct values and stays small.
	"$MARK", `date_bin('2 hours', $EXPIRY, '2000-01-01 00:00:00Z') + interval '2 hours'`,
	"$EXPIRY", `least(now() + $IDLE * interval '1 microsecond', $LIMIT)`,
	"$LIMIT", `coalesce(now() + $ABSOLUTE * interval '1 microsecond', absolute_expires_at)`,

	// The same for a new row.
	"$NEW_MARK", `date_bin('2 hours', $NEW_EXPIRY, '2000-01-01 00:00:00Z') + interval '2 hours'`,
	"$NEW_EXPIRY", `now() + least($IDLE, $ABSOLUTE) * interval '1 microsecond'`,
	"$NEW_LIMIT", `now() + $ABSOLUTE * interval '1 microsecond'`,

	// The throttle is in the condition, so that of many parallel requests, on
	// however many machines, one writes. It also keeps a touch from moving an expiry
	// backward.
	"$IS_DUE", `expires_at <= $REACH - $THROTTLE * interval '1 microsecond'`,
	"$REACH", `least(now() + $IDLE * interval '1 microsecond', absolute_expires_at)`,

	// The mark finds a row, and the expiry proves it dead. The minute is a margin for
	// a standby that takes over with another clock.
	"$IS_MARKED", `reap_after <= now() - interval '1 minute'`,
	"$IS_DEAD", `expires_at <= now() - interval '1 minute'`,
)

// In a statement for one row the durations are parameters, and in one for many they are
// columns of u, which is what to write.
var (
	ofOne  = []string{"$IDLE", "$2::bigint", "$ABSOLUTE", "$3::bigint", "$THROTTLE", "$3::bigint"}
	ofMany = []string{"$IDLE", "u.idle", "$ABSOLUTE", "nullif(u.absolute, 0)", "$THROTTLE", "u.throttle"}
)

// What endAll and list select.
var selections = [...]string{native.ByUser: `user_id = $1`, native.ByLabel: `label = $1`, native.Everything: `$1 = ''`}

var load = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = $1::uuid AND expires_at > now()`)

// DO NOTHING and no error, so that a taken ID needs no parsing of messages.
var create = statements.Add(`
INSERT INTO $TABLE (id, version, verifier, user_id, label, data,
	created_at, absolute_expires_at, expires_at, reap_after, authenticated_at)
VALUES ($1::uuid, $4::bigint, $5::bytea, $6::text, $7::text, $9::json,
	now(), $NEW_LIMIT, $NEW_EXPIRY, $NEW_MARK, CASE WHEN $8::boolean THEN now() END)
ON CONFLICT DO NOTHING`, ofOne...)

// The version keeps it from overwriting another change, the expiry from bringing
// back a dead row, and an UPDATE never inserts.
var save = statements.Add(`
UPDATE $TABLE
SET version = $4::bigint, verifier = coalesce($5::bytea, verifier), user_id = $6::text, label = $7::text, data = $11::json,
	absolute_expires_at = $LIMIT, expires_at = $EXPIRY, reap_after = least(reap_after, $MARK),
	authenticated_at = CASE WHEN $8::boolean THEN now() ELSE authenticated_at END
WHERE id = $1::uuid AND verifier = $9::bytea AND version = $10::bigint AND expires_at > now()`, ofOne...)

// Why a save or touch did not find its row.
var state = statements.Add(`
SELECT verifier
FROM $TABLE
WHERE id = $1::uuid AND expires_at > now()`)

// Returns whether the row is certainly there, or nothing if it was not. The last SELECT
// sees the table as it was before the UPDATE. A row that was due then and was not moved
// has been changed by another statement since.
var touch = statements.Add(`
WITH moved AS (
	UPDATE $TABLE
	SET expires_at = $REACH
	WHERE id = $1::uuid AND verifier = $4::bytea AND expires_at > now() AND $IS_DUE
	RETURNING id
)
SELECT NOT ($IS_DUE) OR EXISTS (SELECT FROM moved)
FROM $TABLE
WHERE id = $1::uuid AND verifier = $4::bytea AND expires_at > now()`, ofOne...)

// The same for many rows at once. Locked rows are skipped, so no caller waits for
// another session's row, and no two of these deadlock.

var loadMany = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ANY ($1::uuid[]) AND expires_at > now()`)

var createMany = statements.Add(`
INSERT INTO $TABLE (id, version, verifier, user_id, label, data,
	created_at, absolute_expires_at, expires_at, reap_after, authenticated_at)
SELECT id, version, verifier, nullif(user_id, ''), nullif(label, ''), data::json,
	now(), $NEW_LIMIT, $NEW_EXPIRY, $NEW_MARK, CASE WHEN authenticated > 0 THEN now() END
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::bigint[], $9::text[])
	AS u (id, idle, absolute, version, verifier, user_id, label, authenticated, data)
ON CONFLICT DO NOTHING
RETURNING version`, ofMany...)

var saveMany = statements.Add(`
UPDATE $TABLE AS s
SET version = u.version, verifier = coalesce(u.verifier, s.verifier), user_id = nullif(u.user_id, ''), label = nullif(u.label, ''), data = u.data::json,
	absolute_expires_at = $LIMIT, expires_at = $EXPIRY, reap_after = least(reap_after, $MARK),
	authenticated_at = CASE WHEN u.authenticated > 0 THEN now() ELSE authenticated_at END
FROM (
	SELECT u.id, u.idle, u.absolute, u.version, u.verifier, u.user_id, u.label, u.data, u.authenticated
	FROM $TABLE AS s, unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::bigint[],
		$9::bytea[], $10::bigint[], $11::text[]) AS u (id, idle, absolute, version, verifier, user_id, label, authenticated, proof, replaces, data)
	WHERE s.id = u.id AND s.verifier = u.proof AND s.version = u.replaces AND s.expires_at > now()
	FOR NO KEY UPDATE OF s SKIP LOCKED
) AS u
WHERE s.id = u.id
RETURNING s.version`, ofMany...)

var states = statements.Add(`
SELECT id, verifier, version
FROM $TABLE
WHERE id = ANY ($1::uuid[]) AND expires_at > now()`)

// Returns the numbers of the rows that were not there, and of those that were due and
// have been skipped or changed since.
var touchMany = statements.Add(`
WITH u AS (
	SELECT id, idle, throttle, proof, n
	FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) WITH ORDINALITY AS u (id, idle, throttle, proof, n)
), held AS (
	SELECT u.id, u.idle
	FROM $TABLE AS s, u
	WHERE s.id = u.id AND s.verifier = u.proof AND expires_at > now() AND $IS_DUE
	FOR NO KEY UPDATE OF s SKIP LOCKED
), moved AS (
	UPDATE $TABLE AS s
	SET expires_at = $REACH
	FROM held AS u
	WHERE s.id = u.id
)
SELECT u.n, s.id IS NOT NULL
FROM u LEFT JOIN $TABLE AS s ON s.id = u.id AND s.verifier = u.proof AND expires_at > now()
WHERE s.id IS NULL OR $IS_DUE AND NOT EXISTS (SELECT FROM held WHERE held.id = u.id)`, ofMany...)

// A row that is past its expiry goes too.
var end = statements.Add(`
DELETE FROM $TABLE
WHERE id = $1::uuid AND ($2::text IS NULL OR coalesce(user_id, '') = $2::text)
RETURNING expires_at > now()`)

// The rows are locked in the order of their IDs before the first is deleted, so that two
// of these wait for each other but do not deadlock. A lock is on the newest state of a
// row, so one that changes at the same time is ended too.
var endAll = statements.AddEach(`
WITH found AS (
	SELECT id
	FROM $TABLE
	WHERE $SELECTED AND expires_at > now() AND id <> ALL ($2::uuid[])
	ORDER BY id
	LIMIT $3::bigint
	FOR UPDATE
), ended AS (
	DELETE FROM $TABLE
	WHERE id = ANY (ARRAY(SELECT id FROM found))
	RETURNING id
)
SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM ended)`, "$SELECTED", selections[:]...)

var list = statements.AddEach(`
SELECT $COLUMNS
FROM $TABLE
WHERE $SELECTED AND id >= $2::uuid AND id::text <> $3 AND expires_at > now()
ORDER BY id
LIMIT $4::bigint`, "$SELECTED", selections[:]...)

var stats = statements.Add(`
SELECT count(*) FILTER (WHERE expires_at > now()), count(*) FILTER (WHERE $IS_MARKED AND $IS_DEAD)
FROM $TABLE`)

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
SET reap_after = date_bin('2 hours', expires_at, '2000-01-01 00:00:00Z') + interval '2 hours'
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
SET reap_after = date_bin('2 hours', expires_at, '2000-01-01 00:00:00Z') + interval '2 hours'
WHERE NOT $IS_DEAD AND ctid = ANY (ARRAY(SELECT at FROM locked)) AND (id IN (SELECT id FROM locked)) IS TRUE`)
