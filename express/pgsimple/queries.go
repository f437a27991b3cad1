package pgsimple

import (
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// The statements. They share the tokens that follow; $TABLE is the table, $SID, $SESS and
// $EXPIRE are its columns, and $JSON is the type of the second.
//
// All times are whole seconds of the database's clock, rounded up as upstream rounds
// its own. The column is usually a timestamp without time zone, and PostgreSQL
// converts what to_timestamp returns by the connection's TimeZone, both when it writes
// and when it compares, so these statements do just what upstream's do. Durations are
// passed and returned as microseconds.
var statements = stmt.NewList(
	// No expiry is further away than a duration can be.
	"$COLUMNS", `$JUST_SID, $JUST_TEXT, $VERSION,
	(extract(epoch FROM least($EXPIRE::timestamptz, now() + interval '100 years') - now()) * 1000000)::bigint`,

	"$JUST_SID", `$SID`,
	"$JUST_TEXT", `$SESS::text`,

	// Upstream has no counter, so a row's version is a digest of its text: row.Version.
	"$VERSION", `(('x' || left(encode(sha256(convert_to($SESS::text, 'UTF8')), 'hex'), 15))::bit(60)::bigint + 1)`,

	"$FOUND", `$SID = $1`,
	"$KEPT", `$SESS IS NOT NULL`,
	"$NAMED", `$ID = $1`,

	// row.ID. No index can serve it, so a statement with it reads the whole table.
	"$ID", `(
		SELECT left(h, 8) || '-' || substr(h, 9, 4) || '-8' || substr(h, 14, 3)
			|| '-' || translate(substr(h, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab') || substr(h, 18, 3) || '-' || substr(h, 21, 12)
		FROM encode(sha256(convert_to($SID, 'UTF8')), 'hex') AS h
	) COLLATE "C"`,

	// The throttle is a condition, so that of many parallel requests, on however many
	// machines, one writes. It also keeps an expiry from moving back.
	"$DUE", `$EXPIRE < $EXPIRY AND $EXPIRE <= $EXPIRY - $3::bigint * interval '1 microsecond'`,
	"$EXPIRY", `to_timestamp(ceil(extract(epoch FROM now()) + $2::bigint / 1000000.0))`,

	"$LIVE", `$SESS IS NOT NULL AND $EXPIRE >= $NOW`,
	"$DEAD", `$EXPIRE < $NOW`,
	"$NOW", `to_timestamp(ceil(extract(epoch FROM now())))`,

	// A row may be a user's if this member is in its text. Only the parsed JSON is certain,
	// but sess->>'$user' is an error for the whole statement when any row has a \u0000
	// or, in a column of text, is not JSON.
	"$OWNED", `strpos($SESS::text, '`+row.QuotedMember+`') > 0 AND strpos($SESS::text, $1::text) > 0`,
)

// DO NOTHING and no error, so that a sid that is taken needs no parsing of messages.
var create = statements.Add(`
INSERT INTO $TABLE ($SID, $SESS, $EXPIRE)
VALUES ($1, $3::$JSON, $EXPIRY)
ON CONFLICT DO NOTHING
RETURNING $VERSION`)

// The version keeps it from overwriting another request's change, the expiry from
// bringing back a dead row, and an UPDATE never inserts. With another sid, it is
// one statement, so exactly one of the two is live at any moment.
var save = statements.Add(`
UPDATE $TABLE
SET $SID = $5, $SESS = $4::$JSON, $EXPIRE = $EXPIRY
WHERE $SID = $1 AND $VERSION = $3::bigint AND $LIVE
RETURNING $VERSION`)

// No row: it was not live. True: it was moved, or it was live and needed no move.
// False: it was due when the statement began and is not moved, so another request
// changed it since: moved it, gave it another sid or ended it.
var touch = statements.Add(`
WITH moved AS (
	UPDATE $TABLE
	SET $EXPIRE = $EXPIRY
	WHERE $SID = $1 AND $LIVE AND $DUE
	RETURNING 1
)
SELECT EXISTS (SELECT FROM moved) OR NOT ($DUE)
FROM $TABLE
WHERE $SID = $1 AND $LIVE`)

// The version is compared unless it is NULL. Returns whether the row was live.
var end = statements.Add(`
DELETE FROM $TABLE
WHERE $SID = $1 AND $SESS IS NOT NULL AND ($2::bigint IS NULL OR $VERSION = $2::bigint)
RETURNING $LIVE`)

// The years are those that microseconds can be counted in.
var find = statements.Add(`
SELECT $SID, $LIVE,
	(extract(epoch FROM greatest(least($EXPIRE::timestamptz, now() + interval '100 years'), to_timestamp(0))) * 1000000)::bigint
FROM $TABLE
WHERE $SID IN (SELECT json_array_elements_text($1::json)) AND $KEPT`)

var endAll = statements.Add(`
WITH ended AS (
	DELETE FROM $TABLE
	WHERE $SID IN (
		SELECT $SID
		FROM $TABLE
		WHERE $LIVE AND $ID NOT IN (SELECT json_array_elements_text($1::json))
		ORDER BY $SID
		LIMIT $2
		FOR UPDATE
	)
	RETURNING 1
)
SELECT count(*)
FROM ended`)

// Without a sid in its condition, so that it ends also a row whose sid changes while
// it runs. Dead rows go too, because Node can bring one back to life.
var endRest = statements.Add(`
WITH ended AS (
	DELETE FROM $TABLE
	WHERE $ID NOT IN (SELECT json_array_elements_text($1::json))
	RETURNING $LIVE AS live
)
SELECT count(*) FILTER (WHERE live)
FROM ended`)

var reads = row.Statements{
	// OFFSET 0 keeps the ID from being computed twice.
	List: statements.AddEach(`
SELECT $COLUMNS
FROM (
	SELECT $SID, $SESS, $EXPIRE, $ID AS derived_id
	FROM $TABLE
	WHERE $WHOSE AND $LIVE
	OFFSET 0
) AS live
WHERE derived_id > $2
ORDER BY derived_id
LIMIT $3`, "$WHOSE", "$1::text IS NOT NULL", "$OWNED"),
	InOrder: statements.Add(`
SELECT $COLUMNS
FROM $TABLE
WHERE $SID > $1 AND $LIVE
ORDER BY $SID
LIMIT $2`),
}.With(statements)

// SKIP LOCKED: a row that a request or another reaper has locked is neither waited
// for nor deleted, and because nothing waits, nothing deadlocks.
var reap = statements.Add(`
WITH dead AS (
	SELECT $SID
	FROM $TABLE
	WHERE $DEAD
	ORDER BY $EXPIRE
	LIMIT $1
	FOR UPDATE SKIP LOCKED
), deleted AS (
	DELETE FROM $TABLE AS s
	USING dead
	WHERE s.$SID = dead.$SID AND s.$DEAD
	RETURNING 1
)
SELECT count(*)
FROM deleted`)

// A plain index on the whole table with sid alone is what upstream's ON CONFLICT needs too.
const inspect = `
SELECT coalesce(max(typname) FILTER (WHERE attname = $2), ''),
	coalesce(max(typname) FILTER (WHERE attname = $3), ''),
	coalesce(max(typname) FILTER (WHERE attname = $4), ''),
	coalesce(bool_and(coalesce(collisdeterministic, true)) FILTER (WHERE attname = $2), false),
	coalesce(bool_or(indisunique AND indisvalid AND indpred IS NULL AND indnkeyatts = 1) FILTER (WHERE attname = $2), false),
	coalesce(bool_or(indisvalid AND indpred IS NULL) FILTER (WHERE attname = $4), false)
FROM pg_catalog.pg_attribute
JOIN pg_catalog.pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation
LEFT JOIN pg_catalog.pg_index ON indrelid = attrelid AND indkey[0] = attnum
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`

// The time zone of this connection, and that of a connection which asks for none, as those
// of node-postgres do: what RESET would bring back or, if the client asked for a zone when
// it connected, what is set for the role and the database. The latter is NULL if it is the
// server's own and can't be seen. A zone has several names, so zones are compared by what
// they make of a time in each week of some years.
const zones = `
WITH ours AS (
	SELECT setting, reset_val, source
	FROM pg_catalog.pg_settings
	WHERE name = 'TimeZone'
), set_for AS (
	SELECT setdatabase, setrole, substr(item, strpos(item, '=') + 1) AS zone
	FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS item
	WHERE lower(split_part(item, '=', 1)) = 'timezone'
		AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
), theirs AS (
	SELECT CASE WHEN source <> 'client' THEN reset_val ELSE (
		SELECT zone FROM set_for
		WHERE setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
		ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1) END AS zone
	FROM ours
), times AS (
	SELECT generate_series(now() - interval '1 year', now() + interval '3 years', interval '1 week') AS t
)
SELECT setting, theirs.zone,
	(SELECT bool_and(t AT TIME ZONE setting = t AT TIME ZONE theirs.zone) FROM times),
	(SELECT bool_and(t AT TIME ZONE setting = t AT TIME ZONE 'UTC') FROM times),
	coalesce((
		SELECT string_agg(DISTINCT rolname, ', ') FROM set_for JOIN pg_catalog.pg_roles ON pg_roles.oid = setrole
		WHERE rolname <> session_user
			AND NOT (SELECT bool_and(t AT TIME ZONE setting = t AT TIME ZONE set_for.zone) FROM times)), ''),
	source IN ('user', 'database user')
FROM ours, theirs`
