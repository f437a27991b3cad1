package pgstore

import "github.com/sqlsessions/sessions/internal/stmt"

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
	// however many machines, one writes.
	"$IS_DUE", `seen_at <= now() - $THROTTLE * interval '1 microsecond'`,
	"$SEEN", `expires_at = greatest(expires_at, least(now() + $IDLE * interval '1 microsecond', absolute_expires_at)), seen_at = now()`,

	// What a save does to the verifiers. Without another one ($NEXT is NULL) they stay. The
	// one before the last loses what was left of its grace.
	"$VERIFIERS", `verifier = coalesce($NEXT, s.verifier),
	verifier_at = CASE WHEN $NEXT IS NULL THEN verifier_at ELSE now() END,
	previous_verifier = CASE WHEN $NEXT IS NULL THEN previous_verifier WHEN $GRACE > 0 THEN s.verifier END,
	previous_until = CASE WHEN $NEXT IS NULL THEN previous_until ELSE now() + $GRACE * interval '1 microsecond' END`,

	// The mark finds a row, and its expiry, and the time for which it is kept if there is
	// one, prove it dead. The minute is a margin for a standby that takes over with another
	// clock.
	"$IS_MARKED", `reap_after <= now() - interval '1 minute'`,
	"$IS_DEAD", `greatest(expires_at, keep_until) <= now() - interval '1 minute'`,

	// What ends rows looks at those that have just expired too: a save that began before may
	// have the row locked, or wait for it, and bring it back. The lock waits for that save, and
	// then the row is read again. A row that has ended is in the distant past.
	"$MAY_LIVE", `expires_at > now() - interval '1 minute'`,
	"$LATER_MARK", `date_bin('2 hours', greatest(expires_at, keep_until), '2000-01-01 00:00:00Z') + interval '2 hours'`,

	// What an ending does to a row. Parameters 2 to 4 are its version from then on, why it
	// ended, and for how long it is kept. The expiry is never now: a statement that began
	// before the ending, and waited for the row, compares it with the time when it began,
	// and would take it for alive. Nor does a clock that is set back bring it back. The mark
	// stays if the row can go by then, so that the row of a visitor changes no index (HOT).
	"$ENDED", `version = $2::bigint, verifier = NULL, previous_verifier = NULL, previous_until = NULL,
	user_id = NULL, label = NULL, data = '{}', pending = false,
	expires_at = $PAST, ended_at = now(), ended_reason = $3::text,
	keep_until = greatest(keep_until, $KEPT), reap_after = least(reap_after, $END_MARK)`,
	"$END_MARK", `date_bin('2 hours', greatest(keep_until, $KEPT), '2000-01-01 00:00:00Z') + interval '2 hours'`,
	// What a mark does to the row that has the marks before it. Parameter 3 is the mark.
	"$NOTED", `version = $2::bigint,
	data = CASE
		WHEN s.keep_until <= now() THEN ('[' || $3::text || ']')::json
		WHEN length(s.data::text) > 4000 OR s.data::text NOT LIKE '[{%' THEN ('[' || $3::text || ',' || $EARLIER || ']')::json
		ELSE ('[' || $3::text || ',' || $EARLIER || ',' || substr(s.data::text, 2))::json
	END,
	ended_at = greatest(s.ended_at, now()),
	keep_until = greatest(s.keep_until, $KEPT), reap_after = least(s.reap_after, $KEPT_MARK)`,
	"$KEPT_MARK", `date_bin('2 hours', $KEPT, '2000-01-01 00:00:00Z') + interval '2 hours'`,
	"$KEPT", `now() + $4::bigint * interval '1 microsecond'`,
	// How many microseconds before a mark the last one was set.
	"$EARLIER", `greatest(extract(epoch FROM now() - s.ended_at) * 1000000, 0)::bigint`,

	"$PAST", `timestamptz '1970-01-02 00:00:00Z'`,
)

// In a statement for one row the durations are parameters, and in one for many they are
// columns of u, which is what to write.
var (
	ofOne = []string{
		"$IDLE", "$2::bigint", "$ABSOLUTE", "$3::bigint", "$THROTTLE", "$3::bigint", "$NEXT", "$5::bytea", "$GRACE", "$12::bigint",
	}
	ofMany = []string{
		"$IDLE", "u.idle", "$ABSOLUTE", "nullif(u.absolute, 0)", "$THROTTLE", "u.throttle", "$NEXT", "u.verifier", "$GRACE", "nullif(u.grace, 0)",
	}
)

var load = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = $1::uuid AND expires_at > now()`)

// DO NOTHING and no error, so that a taken ID needs no parsing of messages.
var create = statements.Add(`
INSERT INTO $TABLE (id, version, verifier, user_id, label, data, pending,
	created_at, absolute_expires_at, seen_at, expires_at, reap_after, keep_until, authenticated_at)
VALUES ($1::uuid, $4::bigint, $5::bytea, $6::text, $7::text, $11::json, $9::boolean,
	now(), $NEW_LIMIT, now(), $NEW_EXPIRY, $NEW_MARK, now() + $10::bigint * interval '1 microsecond', CASE WHEN $8::boolean THEN now() END)
ON CONFLICT DO NOTHING`, ofOne...)

// The version keeps it from overwriting another change, the expiry from bringing
// back a dead row, and an UPDATE never inserts. Here and below, a statement that waits for
// a row tries its condition again on what the row has become, so what ended in the
// meantime stays as it is.
var save = statements.Add(`
UPDATE $TABLE AS s
SET version = $4::bigint, $VERIFIERS,
	user_id = $6::text, label = $7::text, data = $13::json, pending = $9::boolean,
	seen_at = now(), absolute_expires_at = $LIMIT, expires_at = $EXPIRY, reap_after = least(reap_after, $MARK),
	authenticated_at = CASE WHEN $8::boolean THEN now() ELSE authenticated_at END
WHERE id = $1::uuid AND verifier = $10::bytea AND version = $11::bigint AND expires_at > now()`, ofOne...)

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
	SET $SEEN
	WHERE id = $1::uuid AND verifier = $4::bytea AND expires_at > now() AND $IS_DUE
	RETURNING id
)
SELECT NOT ($IS_DUE) OR EXISTS (SELECT FROM moved)
FROM $TABLE
WHERE id = $1::uuid AND verifier = $4::bytea AND expires_at > now()`, ofOne...)

// The same for many rows at once. Locked rows are skipped, so no caller waits for
// another session's row, and no two of these deadlock. A row that changed before it could
// be locked has to meet the condition as it is now, and from then on nothing else can
// change it.

var loadMany = statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE id = ANY ($1::uuid[]) AND expires_at > now()`)

var createMany = statements.Add(`
INSERT INTO $TABLE (id, version, verifier, user_id, label, data, pending,
	created_at, absolute_expires_at, seen_at, expires_at, reap_after, keep_until, authenticated_at)
SELECT id, version, verifier, nullif(user_id, ''), nullif(label, ''), data::json, coalesce(pending > 0, false),
	now(), $NEW_LIMIT, now(), $NEW_EXPIRY, $NEW_MARK, now() + nullif(u.keep, 0) * interval '1 microsecond', CASE WHEN authenticated > 0 THEN now() END
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
	$10::bigint[], $11::text[]) AS u (id, idle, absolute, version, verifier, user_id, label, authenticated, pending, keep, data)
ON CONFLICT DO NOTHING
RETURNING version`, ofMany...)

var saveMany = statements.Add(`
UPDATE $TABLE AS s
SET version = u.version, $VERIFIERS,
	user_id = nullif(u.user_id, ''), label = nullif(u.label, ''), data = u.data::json, pending = coalesce(u.pending > 0, false),
	seen_at = now(), absolute_expires_at = $LIMIT, expires_at = $EXPIRY, reap_after = least(reap_after, $MARK),
	authenticated_at = CASE WHEN u.authenticated > 0 THEN now() ELSE authenticated_at END
FROM (
	SELECT u.id, u.idle, u.absolute, u.version, nullif(u.verifier, '') AS verifier, u.user_id, u.label, u.authenticated, u.pending, u.grace, u.data
	FROM $TABLE AS s, unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
		$10::bytea[], $11::bigint[], $12::bigint[], $13::text[])
		AS u (id, idle, absolute, version, verifier, user_id, label, authenticated, pending, proof, replaces, grace, data)
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
	SET $SEEN
	FROM held AS u
	WHERE s.id = u.id
)
SELECT u.n, s.id IS NOT NULL
FROM u LEFT JOIN $TABLE AS s ON s.id = u.id AND s.verifier = u.proof AND expires_at > now()
WHERE s.id IS NULL OR $IS_DUE AND NOT EXISTS (SELECT FROM held WHERE held.id = u.id)`, ofMany...)
