package pgstore

import "strings"

// Times are computed and compared by the database alone: neither the
// application's clock nor any time zone setting matters. Durations go in as
// microseconds. In all statements $1 is the key and $2 the idle timeout.
const (
	expiry    = `least(now() + $2::bigint * interval '1 microsecond', absolute_expires_at)`
	newExpiry = `now() + least($2::bigint, $3::bigint) * interval '1 microsecond'`
	newLimit  = `now() + $3::bigint * interval '1 microsecond'`

	// The mark, reap_after, is when a reaper looks at the row: at the latest in the even hour
	// behind its expiry. It is the one indexed time, and so nothing but the reaper moves it
	// on, who finds a row alive; requests only bring it forward. Then moving an expiry is a HOT
	// update. In buckets the index is small.
	bucketOf, bucketEnd = `date_bin('2 hours', `, `, '2000-01-01 00:00:00Z') + interval '2 hours'`

	load = `SELECT ` + columns + ` FROM $TABLE WHERE key = $1 AND expires_at > now()`

	// DO NOTHING and no error, so that a taken key needs no parsing of messages.
	create = `INSERT INTO $TABLE (key, handle, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after)
	VALUES ($1, $4, nullif($5, ''), $6, 1, now(), ` + newLimit + `, ` + newExpiry + `, ` + bucketOf + newExpiry + bucketEnd + `)
	ON CONFLICT DO NOTHING`

	// The version keeps it from overwriting somebody's change, the expiry from
	// bringing back a dead row, and an UPDATE never inserts.
	save = `UPDATE $TABLE SET user_id = nullif($4, ''), data = $5, version = version + 1,
	expires_at = ` + expiry + `, reap_after = least(reap_after, ` + bucketOf + expiry + bucketEnd + `)
	WHERE key = $1 AND version = $3 AND expires_at > now()`

	// Whether a save found nothing because the row moved on or because it is gone.
	exists = `SELECT 1 FROM $TABLE WHERE key = $1 AND expires_at > now()`

	// The throttle is in the condition, so that of many parallel requests, on
	// however many machines, one writes; and it is what makes the move monotone.
	touch = `UPDATE $TABLE SET expires_at = ` + expiry + `
	WHERE key = $1 AND expires_at > now() AND expires_at <= ` + expiry + ` - $3::bigint * interval '1 microsecond'`

	// One statement, so that exactly one of the two keys is live at any moment.
	rekey = `UPDATE $TABLE SET key = $4, handle = $5, user_id = nullif($6, ''), data = $7, version = version + 1,
	expires_at = ` + expiry + `, reap_after = least(reap_after, ` + bucketOf + expiry + bucketEnd + `)
	WHERE key = $1 AND version = $3 AND expires_at > now()`

	rekeyAnew = `UPDATE $TABLE SET key = $5, handle = $6, user_id = nullif($7, ''), data = $8, version = version + 1,
	created_at = now(), absolute_expires_at = ` + newLimit + `,
	expires_at = ` + newExpiry + `, reap_after = least(reap_after, ` + bucketOf + newExpiry + bucketEnd + `)
	WHERE key = $1 AND version = $4 AND expires_at > now()`

	// The same for many rows at once. Those that somebody holds are left out, so that nobody waits for
	// one that is no concern of theirs, and no two of these deadlock.
	many       = `unnest($1::bytea[], $2::bigint[], $3::bigint[]`
	ofMany     = `least(now() + u.idle * interval '1 microsecond', s.absolute_expires_at)`
	newOfMany  = `now() + least(u.idle, u.absolute) * interval '1 microsecond'`
	loadMany   = `SELECT ` + columns + ` FROM $TABLE WHERE key = ANY ($1::bytea[]) AND expires_at > now()`
	versions   = `SELECT key, version FROM $TABLE WHERE key = ANY ($1::bytea[]) AND expires_at > now()`
	createMany = `INSERT INTO $TABLE (key, handle, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after)
	SELECT key, handle, nullif(user_id, ''), data::json, 1, now(), now() + absolute * interval '1 microsecond',
		` + newOfMany + `, ` + bucketOf + newOfMany + bucketEnd + `
	FROM ` + many + `, $4::text[], $5::text[], $6::text[]) AS u (key, idle, absolute, handle, user_id, data)
	ON CONFLICT DO NOTHING RETURNING key`
	saveMany = `UPDATE $TABLE AS s SET user_id = nullif(u.user_id, ''), data = u.data::json, version = s.version + 1,
	expires_at = ` + ofMany + `, reap_after = least(s.reap_after, ` + bucketOf + ofMany + bucketEnd + `)
	FROM (SELECT u.key, u.idle, u.user_id, u.data FROM $TABLE AS s, ` + many + `, $4::text[], $5::text[]) AS u (key, idle, version, user_id, data)
		WHERE s.key = u.key AND s.version = u.version AND s.expires_at > now() FOR NO KEY UPDATE OF s SKIP LOCKED) AS u
	WHERE s.key = u.key RETURNING s.key`
	// Returns the keys of rows that are due and were left out.
	touchMany = `WITH u AS (SELECT u.key, u.idle, u.throttle FROM ` + many + `) AS u (key, idle, throttle)),
	held AS (SELECT u.key, u.idle FROM $TABLE AS s, u WHERE ` + dueOfMany + ` FOR NO KEY UPDATE OF s SKIP LOCKED),
	touched AS (UPDATE $TABLE AS s SET expires_at = ` + ofMany + ` FROM held AS u WHERE s.key = u.key)
	SELECT s.key FROM $TABLE AS s, u WHERE ` + dueOfMany + ` AND NOT EXISTS (SELECT FROM held WHERE held.key = u.key)`
	dueOfMany = `s.key = u.key AND s.expires_at > now() AND s.expires_at <= ` + ofMany + ` - u.throttle * interval '1 microsecond'`

	deleteKey    = `DELETE FROM $TABLE WHERE key = $1`
	deleteHandle = `DELETE FROM $TABLE WHERE handle = $1 AND expires_at > now()`
	// Rows are locked in the order of their keys before the first is deleted, so that two of these wait for
	// each other but do not deadlock: a plan finds rows as they lie there.
	lockFirst = ` AND 0 <= (SELECT count(*) FROM (SELECT FROM $TABLE AS s`
	locked    = ` ORDER BY s.key FOR NO KEY UPDATE OF s) AS locked)`
	// A comma can't be in a handle, and every driver can pass a string.
	deleteUser = `DELETE FROM $TABLE AS s WHERE ` + ofUser + lockFirst + ` WHERE ` + ofUser + locked
	ofUser     = `s.user_id = $1 AND s.handle <> ALL (string_to_array($2, ','))`
	// Passes over a row whose key changes meanwhile, as a condition on the key must; deleteRest has none.
	deleteAll  = `DELETE FROM $TABLE WHERE key IN (SELECT key FROM $TABLE ORDER BY key LIMIT $1 FOR NO KEY UPDATE)`
	deleteRest = `DELETE FROM $TABLE AS s WHERE true` + lockFirst + locked

	// The mark finds, the expiry decides. SKIP LOCKED: a row that a request or
	// another reaper holds is neither waited for nor deleted under its hands, and
	// since nothing waits, nothing deadlocks. The minute is a margin for a standby
	// that takes over with another clock.
	due     = `reap_after <= now() - interval '1 minute'`
	expired = `expires_at <= now() - interval '1 minute'`
	// By ctid, for a join by key would find each row twice, or read the whole table. A
	// row that was locked keeps its place until the statement ends.
	firstDue    = `ctid = ANY (ARRAY(SELECT ctid FROM $TABLE WHERE ` + due + ` ORDER BY reap_after LIMIT $1 FOR UPDATE SKIP LOCKED))`
	deleteFirst = `DELETE FROM $TABLE WHERE ` + expired + ` AND ` + firstDue
	moveFirst   = moveOn + `NOT ` + expired + ` AND ` + firstDue
	moveOn      = `UPDATE $TABLE SET reap_after = ` + bucketOf + `expires_at` + bucketEnd + ` WHERE `
	// The same where a search found them, of rows that may have gone or changed since, and of others in
	// their places. Without due, or a plan may search again.
	search       = `SELECT ctid::text FROM $TABLE WHERE ` + due + ` ORDER BY reap_after LIMIT $1`
	inList       = ` AND ctid = ANY ($1::text[]::tid[]) FOR UPDATE SKIP LOCKED))`
	deleteListed = `DELETE FROM $TABLE WHERE ctid = ANY (ARRAY(SELECT ctid FROM $TABLE WHERE ` + expired + inList
	moveListed   = moveOn + `ctid = ANY (ARRAY(SELECT ctid FROM $TABLE WHERE NOT ` + expired + inList
	countExpired = `SELECT count(*) FROM $TABLE WHERE ` + due + ` AND ` + expired

	count    = `SELECT count(*) FROM $TABLE WHERE expires_at > now()`
	list     = `SELECT ` + columns + ` FROM $TABLE WHERE handle > $1 AND expires_at > now() ORDER BY handle LIMIT $2`
	listUser = `SELECT ` + columns + ` FROM $TABLE WHERE user_id = $3 AND handle > $1 AND expires_at > now() ORDER BY handle LIMIT $2`
)

// queries are the statements with one table's name in them.
type queries struct {
	load, create, save, exists, touch, rekey, rekeyAnew string

	loadMany, createMany, saveMany, versions, touchMany string

	deleteKey, deleteHandle, deleteUser, deleteAll, deleteRest string

	search, deleteFirst, moveFirst, deleteListed, moveListed string

	countExpired, count, list, listUser string
}

func newQueries(table string) *queries {
	on := func(sql string) string { return strings.ReplaceAll(sql, "$TABLE", table) }
	return &queries{
		load: on(load), create: on(create), save: on(save), exists: on(exists), touch: on(touch),
		loadMany: on(loadMany), createMany: on(createMany), saveMany: on(saveMany), versions: on(versions), touchMany: on(touchMany),
		rekey: on(rekey), rekeyAnew: on(rekeyAnew),
		deleteKey: on(deleteKey), deleteHandle: on(deleteHandle), deleteUser: on(deleteUser),
		deleteAll: on(deleteAll), deleteRest: on(deleteRest),
		search: on(search), deleteFirst: on(deleteFirst), moveFirst: on(moveFirst), deleteListed: on(deleteListed), moveListed: on(moveListed),
		countExpired: on(countExpired), count: on(count), list: on(list), listUser: on(listUser),
	}
}
