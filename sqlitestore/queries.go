package sqlitestore

import "strings"

// Times are milliseconds since 1970, UTC, by SQLite's clock, which stands still
// within a statement. In all statements ?1 is the key and ?2 the idle timeout.
const (
	now = `CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)`

	columns = `"key", "handle", coalesce("user_id", ''), "data", "version", created_at, expires_at - ` + now + `, absolute_expires_at - ` + now

	expiry    = `min(` + now + ` + ?2, absolute_expires_at)`
	newExpiry = now + ` + min(?2, ?3)`

	// The mark, reap_after, is when a reaper looks at the row: at the latest in the full hour
	// behind its expiry. It is the one indexed time. Requests only bring it forward; the
	// reaper, who finds a row alive, moves it on.
	bucketOf, bucketEnd = `((`, `) / 3600000 + 1) * 3600000`

	load = `SELECT ` + columns + ` FROM $TABLE WHERE "key" = ?1 AND expires_at > ` + now

	// DO NOTHING and no error, because drivers do not agree on what errors look like.
	create = `INSERT INTO $TABLE ("key", "handle", "user_id", "data", "version", created_at, absolute_expires_at, expires_at, reap_after)
	VALUES (?1, ?4, nullif(?5, ''), ?6, 1, ` + now + `, ` + now + ` + ?3, ` + newExpiry + `, ` + bucketOf + newExpiry + bucketEnd + `)
	ON CONFLICT DO NOTHING`

	// The version keeps it from overwriting somebody's change, the expiry from
	// bringing back a dead row, and an UPDATE never inserts.
	save = `UPDATE $TABLE SET "user_id" = nullif(?4, ''), "data" = ?5, "version" = "version" + 1,
	expires_at = ` + expiry + `, reap_after = min(reap_after, ` + bucketOf + expiry + bucketEnd + `)
	WHERE "key" = ?1 AND "version" = ?3 AND expires_at > ` + now

	// Whether a save found nothing because the row moved on or because it is gone.
	exists = `SELECT 1 FROM $TABLE WHERE "key" = ?1 AND expires_at > ` + now

	// The throttle is in the condition, so that of many parallel requests one
	// writes; and it is what makes the move monotone.
	touch = `UPDATE $TABLE SET expires_at = ` + expiry + `
	WHERE "key" = ?1 AND expires_at > ` + now + ` AND expires_at <= ` + expiry + ` - ?3`

	// One statement, so that exactly one of the two keys is live at any moment.
	rekey = `UPDATE $TABLE SET "key" = ?4, "handle" = ?5, "user_id" = nullif(?6, ''), "data" = ?7, "version" = "version" + 1,
	expires_at = ` + expiry + `, reap_after = min(reap_after, ` + bucketOf + expiry + bucketEnd + `)
	WHERE "key" = ?1 AND "version" = ?3 AND expires_at > ` + now

	rekeyAnew = `UPDATE $TABLE SET "key" = ?5, "handle" = ?6, "user_id" = nullif(?7, ''), "data" = ?8, "version" = "version" + 1,
	created_at = ` + now + `, absolute_expires_at = ` + now + ` + ?3,
	expires_at = ` + newExpiry + `, reap_after = min(reap_after, ` + bucketOf + newExpiry + bucketEnd + `)
	WHERE "key" = ?1 AND "version" = ?4 AND expires_at > ` + now

	deleteKey    = `DELETE FROM $TABLE WHERE "key" = ?1`
	deleteHandle = `DELETE FROM $TABLE WHERE "handle" = ?1 AND expires_at > ` + now
	// A comma can't be in a handle.
	deleteUser = `DELETE FROM $TABLE WHERE "user_id" = ?1 AND instr(',' || ?2 || ',', ',' || "handle" || ',') = 0`
	deleteAll  = `DELETE FROM $TABLE WHERE rowid IN (SELECT rowid FROM $TABLE LIMIT ?1)`

	// The mark finds, the expiry decides. The minute is a margin for a clock
	// that is set back.
	due           = `reap_after <= ` + now + ` - 60000`
	expired       = `expires_at <= ` + now + ` - 60000`
	firstDue      = `rowid IN (SELECT rowid FROM $TABLE WHERE ` + due + ` ORDER BY reap_after LIMIT ?1)`
	moveOn        = `UPDATE $TABLE SET reap_after = ` + bucketOf + `expires_at` + bucketEnd + ` WHERE NOT ` + expired + ` AND ` + firstDue
	deleteExpired = `DELETE FROM $TABLE WHERE ` + expired + ` AND ` + firstDue
	countExpired  = `SELECT count(*) FROM $TABLE WHERE ` + due + ` AND ` + expired

	count    = `SELECT count(*) FROM $TABLE WHERE expires_at > ` + now
	list     = `SELECT ` + columns + ` FROM $TABLE WHERE "handle" > ?1 AND expires_at > ` + now + ` ORDER BY "handle" LIMIT ?2`
	listUser = `SELECT ` + columns + ` FROM $TABLE WHERE "user_id" = ?3 AND "handle" > ?1 AND expires_at > ` + now + ` ORDER BY "handle" LIMIT ?2`
)

// queries are the statements with one table's name in them.
type queries struct {
	load, create, save, exists, touch, rekey, rekeyAnew string

	deleteKey, deleteHandle, deleteUser, deleteAll, moveOn, deleteExpired string

	countExpired, count, list, listUser string
}

func newQueries(table string) *queries {
	on := func(sql string) string { return strings.ReplaceAll(sql, "$TABLE", table) }
	return &queries{
		load: on(load), create: on(create), save: on(save), exists: on(exists), touch: on(touch),
		rekey: on(rekey), rekeyAnew: on(rekeyAnew),
		deleteKey: on(deleteKey), deleteHandle: on(deleteHandle), deleteUser: on(deleteUser),
		deleteAll: on(deleteAll), moveOn: on(moveOn), deleteExpired: on(deleteExpired),
		countExpired: on(countExpired), count: on(count), list: on(list), listUser: on(listUser),
	}
}
