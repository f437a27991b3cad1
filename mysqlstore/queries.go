package mysqlstore

import "strings"

// Times are UTC, computed and compared by the database alone: neither the
// application's clock nor any time zone setting matters. Durations go in and come
// out in microseconds. MySQL assigns columns from left to right and later
// expressions see the new values, so no expression reads a column that is set before it.
const (
	now = `UTC_TIMESTAMP(6)`

	columns = "`key`, `handle`, COALESCE(`user_id`, ''), `data`, `version`," + `
	TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', created_at),
	TIMESTAMPDIFF(MICROSECOND, ` + now + `, expires_at),
	TIMESTAMPDIFF(MICROSECOND, ` + now + `, absolute_expires_at)`

	later     = now + ` + INTERVAL ? MICROSECOND`
	expiry    = `LEAST(` + later + `, absolute_expires_at)` // takes the idle timeout
	newExpiry = later                                       // takes the smaller of the two timeouts

	// A bucket is the full hour behind an expiry. The index on it is left alone
	// by all touches but one an hour.
	bucketOf  = `TIMESTAMPADD(HOUR, TIMESTAMPDIFF(HOUR, TIMESTAMP'2000-01-01 00:00:00', `
	bucketEnd = `) + 1, TIMESTAMP'2000-01-01 00:00:00')`

	load = "SELECT " + columns + " FROM $TABLE WHERE `key` = ? AND expires_at > " + now

	create = "INSERT INTO $TABLE (`key`, `handle`, `user_id`, `data`, `version`, created_at, absolute_expires_at, expires_at, reap_after) " +
		`VALUES (?, ?, ?, ?, 1, ` + now + `, ` + later + `, ` + newExpiry + `, ` + bucketOf + newExpiry + bucketEnd + `)`

	// The version keeps it from overwriting somebody's change, the expiry from
	// bringing back a dead row, and an UPDATE never inserts. The version also
	// makes sure that a row which matches changes: MySQL counts changed rows.
	save = "UPDATE $TABLE SET `user_id` = ?, `data` = ?, `version` = `version` + 1, " +
		`reap_after = ` + bucketOf + expiry + bucketEnd + `, expires_at = ` + expiry +
		" WHERE `key` = ? AND `version` = ? AND expires_at > " + now

	// Whether a save found nothing because the row moved on or because it is gone.
	exists = "SELECT 1 FROM $TABLE WHERE `key` = ? AND expires_at > " + now

	// The throttle is in the condition, so that of many parallel requests, on
	// however many machines, one writes; and it is what makes the move monotone.
	touch = `UPDATE $TABLE SET reap_after = ` + bucketOf + expiry + bucketEnd + `, expires_at = ` + expiry +
		" WHERE `key` = ? AND expires_at > " + now + ` AND expires_at <= ` + expiry + ` - INTERVAL ? MICROSECOND`

	// One statement, so that exactly one of the two keys is live at any moment.
	rekey = "UPDATE $TABLE SET `key` = ?, `handle` = ?, `user_id` = ?, `data` = ?, `version` = `version` + 1, " +
		`reap_after = ` + bucketOf + expiry + bucketEnd + `, expires_at = ` + expiry +
		" WHERE `key` = ? AND `version` = ? AND expires_at > " + now

	rekeyAnew = "UPDATE $TABLE SET `key` = ?, `handle` = ?, `user_id` = ?, `data` = ?, `version` = `version` + 1, " +
		`created_at = ` + now + `, absolute_expires_at = ` + later + `, ` +
		`reap_after = ` + bucketOf + newExpiry + bucketEnd + `, expires_at = ` + newExpiry +
		" WHERE `key` = ? AND `version` = ? AND expires_at > " + now

	deleteKey    = "DELETE FROM $TABLE WHERE `key` = ?"
	deleteHandle = "DELETE FROM $TABLE WHERE `handle` = ? AND expires_at > " + now
	// A comma can't be in a handle.
	deleteUser = "DELETE FROM $TABLE WHERE `user_id` = ? AND NOT FIND_IN_SET(`handle`, ?)"
	deleteAll  = "DELETE FROM $TABLE ORDER BY `key` LIMIT ?"

	// The bucket finds, the expiry decides. A DELETE over the index would take its
	// locks in the reverse order of a user's update and deadlock with it, so the
	// rows are locked first, passing over those that anybody holds, and then deleted by
	// primary key. The minute is a margin for a replica that takes over with another clock.
	expired        = `reap_after <= ` + now + ` - INTERVAL 1 MINUTE AND expires_at <= ` + now + ` - INTERVAL 1 MINUTE`
	selectExpired  = "SELECT `key` FROM $TABLE WHERE " + expired + ` ORDER BY reap_after LIMIT ? FOR UPDATE SKIP LOCKED`
	deleteSelected = "DELETE s FROM $TABLE AS s FORCE INDEX (PRIMARY) WHERE s.`key` IN ($KEYS) AND s.expires_at <= " + now + ` - INTERVAL 1 MINUTE`
	countExpired   = `SELECT COUNT(*) FROM $TABLE WHERE ` + expired

	count    = `SELECT COUNT(*) FROM $TABLE WHERE expires_at > ` + now
	list     = `SELECT ` + columns + " FROM $TABLE WHERE `handle` > ? AND expires_at > " + now + " ORDER BY `handle` LIMIT ?"
	listUser = `SELECT ` + columns + " FROM $TABLE WHERE `user_id` = ? AND `handle` > ? AND expires_at > " + now + " ORDER BY `handle` LIMIT ?"
)

// queries are the statements with one table's name in them.
type queries struct {
	load, create, save, exists, touch, rekey, rekeyAnew string

	deleteKey, deleteHandle, deleteUser, deleteAll, selectExpired, deleteSelected string

	countExpired, count, list, listUser string
}

func newQueries(table string) *queries {
	on := func(sql string) string { return strings.ReplaceAll(sql, "$TABLE", table) }
	return &queries{
		load: on(load), create: on(create), save: on(save), exists: on(exists), touch: on(touch),
		rekey: on(rekey), rekeyAnew: on(rekeyAnew),
		deleteKey: on(deleteKey), deleteHandle: on(deleteHandle), deleteUser: on(deleteUser),
		deleteAll: on(deleteAll), selectExpired: on(selectExpired), deleteSelected: on(deleteSelected),
		countExpired: on(countExpired), count: on(count), list: on(list), listUser: on(listUser),
	}
}
