package mysqlstore

import "strings"

// Times are UTC, computed and compared by the database alone: neither the
// application's clock nor any time zone setting matters. Durations go in and come
// out in microseconds. MySQL assigns columns from left to right and later
// expressions see the new values, so no expression reads a column that is set before it.
//
// Session data comes as bytes, so that the connection's character set does not matter. CAST
// would do that too, at twice the cost, and gives NULL on MariaDB for what is larger than
// the server's max_allowed_packet.
const (
	now = `UTC_TIMESTAMP(6)`

	columns = "`key`, `handle`, COALESCE(`user_id`, ''), CONVERT(`data` USING binary), `version`," + `
	TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', created_at),
	TIMESTAMPDIFF(MICROSECOND, ` + now + `, expires_at),
	TIMESTAMPDIFF(MICROSECOND, ` + now + `, absolute_expires_at)`

	// The bytes are UTF-8 whatever character set the connection has. Else the server would
	// convert them: an emoji would come back as "?" through a connection of utf8mb3.
	document = `CONVERT(CAST(? AS BINARY) USING utf8mb4)`

	later     = now + ` + INTERVAL ? MICROSECOND`
	expiry    = `LEAST(` + later + `, absolute_expires_at)` // takes the idle timeout
	newExpiry = later                                       // takes the smaller of the two timeouts

	// The mark, reap_after, is when a reaper looks at the row: at the latest in the full hour
	// behind its expiry. It is the one indexed time. Requests only bring it forward; the
	// reaper, who finds a row alive, moves it on.
	bucketOf  = `TIMESTAMPADD(HOUR, TIMESTAMPDIFF(HOUR, TIMESTAMP'2000-01-01 00:00:00', `
	bucketEnd = `) + 1, TIMESTAMP'2000-01-01 00:00:00')`

	load = "SELECT " + columns + " FROM $TABLE WHERE `key` = ? AND expires_at > " + now

	create = "INSERT INTO $TABLE (`key`, `handle`, `user_id`, `data`, `version`, created_at, absolute_expires_at, expires_at, reap_after) " +
		`VALUES (?, ?, ?, ` + document + `, 1, ` + now + `, ` + later + `, ` + newExpiry + `, ` + bucketOf + newExpiry + bucketEnd + `)`

	// The version keeps it from overwriting somebody's change, the expiry from
	// bringing back a dead row, and an UPDATE never inserts. The version also
	// makes sure that a row which matches changes: MySQL counts changed rows.
	save = "UPDATE $TABLE SET `user_id` = ?, `data` = " + document + ", `version` = `version` + 1, " +
		`reap_after = LEAST(reap_after, ` + bucketOf + expiry + bucketEnd + `), expires_at = ` + expiry +
		" WHERE `key` = ? AND `version` = ? AND expires_at > " + now

	// Whether a save found nothing because the row moved on or because it is gone.
	exists = "SELECT 1 FROM $TABLE WHERE `key` = ? AND expires_at > " + now

	// The throttle is in the condition, so that of many parallel requests, on
	// however many machines, one writes; and it is what makes the move monotone.
	touch = `UPDATE $TABLE SET expires_at = ` + expiry +
		" WHERE `key` = ? AND expires_at > " + now + ` AND expires_at <= ` + expiry + ` - INTERVAL ? MICROSECOND`

	// One statement, so that exactly one of the two keys is live at any moment.
	rekey = "UPDATE $TABLE SET `key` = ?, `handle` = ?, `user_id` = ?, `data` = " + document + ", `version` = `version` + 1, " +
		`reap_after = LEAST(reap_after, ` + bucketOf + expiry + bucketEnd + `), expires_at = ` + expiry +
		" WHERE `key` = ? AND `version` = ? AND expires_at > " + now

	rekeyAnew = "UPDATE $TABLE SET `key` = ?, `handle` = ?, `user_id` = ?, `data` = " + document + ", `version` = `version` + 1, " +
		`created_at = ` + now + `, absolute_expires_at = ` + later + `, ` +
		`reap_after = LEAST(reap_after, ` + bucketOf + newExpiry + bucketEnd + `), expires_at = ` + newExpiry +
		" WHERE `key` = ? AND `version` = ? AND expires_at > " + now

	// The same for many rows at once, which come as one JSON array. Their keys are
	// sorted and the rows are locked as they come, and so two of these wait for each
	// other but do not deadlock.
	many = `JSON_TABLE(` + document + `, '$[*]' COLUMNS (k VARBINARY(64) PATH '$[0]' ERROR ON ERROR, idle BIGINT PATH '$[1]' ERROR ON ERROR, n BIGINT PATH '$[2]' ERROR ON ERROR, ` +
		`h VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[3]' ERROR ON ERROR, u VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[4]' ERROR ON ERROR, ` +
		`d MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[5]' ERROR ON ERROR)) AS j`
	ofMany    = `LEAST(` + now + ` + INTERVAL j.idle MICROSECOND, s.absolute_expires_at)`
	newOfMany = now + ` + INTERVAL j.idle MICROSECOND`

	loadMany   = "SELECT " + columns + " FROM $TABLE WHERE `key` IN ($KEYS) AND expires_at > " + now
	createMany = "INSERT INTO $TABLE (`key`, `handle`, `user_id`, `data`, `version`, created_at, absolute_expires_at, expires_at, reap_after) " +
		`SELECT UNHEX(j.k), j.h, j.u, j.d, 1, ` + now + `, ` + now + ` + INTERVAL j.n MICROSECOND, ` + newOfMany + `, ` + bucketOf + newOfMany + bucketEnd +
		` FROM ` + many
	// Those that nobody holds: the locks are gone when it ends, for autocommit is on.
	freeMany = "SELECT `key`, `version` FROM $TABLE WHERE `key` IN ($KEYS) AND expires_at > " + now + " FOR UPDATE SKIP LOCKED"
	// All or none: a row that is not there, or has moved on, makes the sum overflow, which is
	// an error in every sql_mode and undoes the statement. How many rows an UPDATE
	// changed would not tell which, and asking afterwards could be answered by somebody's later change.
	saveMany = `UPDATE ` + many + " LEFT JOIN $TABLE AS s ON s.`key` = UNHEX(j.k) " +
		"SET s.`user_id` = j.u, s.`data` = j.d, s.`version` = s.`version` + 1, " +
		`s.reap_after = LEAST(s.reap_after, ` + bucketOf + ofMany + bucketEnd + `), s.expires_at = ` + ofMany +
		" WHERE IF(s.`version` = j.n AND s.expires_at > " + now + `, 1, ABS(j.n) + 1 + 9223372036854775807)`
	touchMany = `UPDATE ` + many + " STRAIGHT_JOIN $TABLE AS s ON s.`key` = UNHEX(j.k) " +
		`SET s.expires_at = ` + ofMany +
		` WHERE s.expires_at > ` + now + ` AND s.expires_at <= ` + ofMany + ` - INTERVAL j.n MICROSECOND`

	deleteKey    = "DELETE FROM $TABLE WHERE `key` = ?"
	deleteHandle = "DELETE FROM $TABLE WHERE `handle` = ? AND expires_at > " + now
	// A comma can't be in a handle.
	deleteUser = "DELETE FROM $TABLE WHERE `user_id` = ? AND NOT FIND_IN_SET(`handle`, ?)"
	// The condition holds for all rows and is for sql_safe_updates.
	deleteAll = "DELETE FROM $TABLE WHERE `key` >= '' ORDER BY `key` LIMIT ?"

	// The mark finds, the expiry decides. A DELETE over the index would take its
	// locks in the reverse order of a user's update and deadlock with it, so the
	// rows are locked first, passing over those that anybody holds, and then deleted by
	// primary key. The minute is a margin for a replica that takes over with another clock.
	due           = `reap_after <= ` + now + ` - INTERVAL 1 MINUTE`
	expired       = `expires_at <= ` + now + ` - INTERVAL 1 MINUTE`
	selectDue     = "SELECT `key`, CAST(reap_after AS CHAR), " + expired + ` FROM $TABLE WHERE ` + due
	behind        = " AND (reap_after > ? OR reap_after = ? AND `key` > ?)"
	inOrder       = " ORDER BY reap_after, `key` LIMIT ? FOR UPDATE SKIP LOCKED"
	deleteExpired = "DELETE $TABLE FROM $TABLE FORCE INDEX (PRIMARY) WHERE `key` IN ($KEYS) AND " + expired
	moveOn        = "UPDATE $TABLE FORCE INDEX (PRIMARY) SET reap_after = " + bucketOf + `expires_at` + bucketEnd + " WHERE `key` IN ($KEYS)"
	countExpired  = `SELECT COUNT(*) FROM $TABLE WHERE ` + due + ` AND ` + expired

	count    = `SELECT COUNT(*) FROM $TABLE WHERE expires_at > ` + now
	list     = `SELECT ` + columns + " FROM $TABLE WHERE `handle` > ? AND expires_at > " + now + " ORDER BY `handle` LIMIT ?"
	listUser = `SELECT ` + columns + " FROM $TABLE WHERE `user_id` = ? AND `handle` > ? AND expires_at > " + now + " ORDER BY `handle` LIMIT ?"
)

// queries are the statements with one table's name in them.
type queries struct {
	load, create, save, exists, touch, rekey, rekeyAnew string

	loadMany, createMany, saveMany, freeMany, touchMany string

	deleteKey, deleteHandle, deleteUser, deleteAll, selectDue, selectBehind, deleteExpired, moveOn string

	countExpired, count, list, listUser string
}

func newQueries(table string) *queries {
	on := func(sql string) string { return strings.ReplaceAll(sql, "$TABLE", table) }
	return &queries{
		load: on(load), create: on(create), save: on(save), exists: on(exists), touch: on(touch),
		rekey: on(rekey), rekeyAnew: on(rekeyAnew),
		loadMany: on(loadMany), createMany: on(createMany), saveMany: on(saveMany), freeMany: on(freeMany), touchMany: on(touchMany),
		deleteKey: on(deleteKey), deleteHandle: on(deleteHandle), deleteUser: on(deleteUser),
		deleteAll: on(deleteAll), selectDue: on(selectDue + inOrder), selectBehind: on(selectDue + behind + inOrder), deleteExpired: on(deleteExpired), moveOn: on(moveOn),
		countExpired: on(countExpired), count: on(count), list: on(list), listUser: on(listUser),
	}
}
