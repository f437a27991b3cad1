package mysqlsession

import (
	"strings"

	"github.com/sqlsessions/sessions/express/internal/row"
)

// An expiry is a second of Unix time, so no time zone matters. Times come from the
// database's clock and are rounded as upstream rounds its own. Durations go in and come
// out in microseconds. Where a $NAME stands for more than a name, it is one of shape's.
const (
	micros = `TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))`

	// Whole numbers only: how exact a quotient is depends on the session's settings.
	now    = `((` + micros + ` + 500000) DIV 1000000)`
	live   = "$DATA IS NOT NULL AND $EXPIRES >= " + now
	dead   = "$EXPIRES < " + now
	expiry = `LEAST(GREATEST((` + micros + ` + CAST(? AS SIGNED) + 500000) DIV 1000000, 0), $LATEST)` // takes the idle timeout

	// The column's collation finds the row by the index, and takes "a " for "a" too. Takes the id twice.
	matches = `$SID = $TEXT AND CAST($SID AS BINARY) = CAST(? AS BINARY)`

	// Upstream has no counter, so a row's version is a digest of its text: row.Version.
	version = `(CAST(CONV(LEFT(SHA2(CAST($DATA AS BINARY), 256), 15), 16, 10) AS SIGNED) + 1)`
	// What the version will be with a text, for a column that does not keep it as it is.
	versionOf = `SELECT CAST(CONV(LEFT(SHA2(CAST(CAST($DOCUMENT AS JSON) AS BINARY), 256), 15), 16, 10) AS SIGNED) + 1`

	// A row is dead half a second behind its expiry, and no expiry is further
	// away than a duration can be.
	columns = `CAST($SID AS BINARY), CAST($DATA AS BINARY), ` + version + `,
	(CAST(LEAST($EXPIRES, 10000000000) AS SIGNED) * 1000000 + 500000 - ` + micros + `)`

	load = `SELECT ` + columns + ` FROM $TABLE WHERE ` + matches + ` AND ` + live

	create = `INSERT INTO $TABLE ($SID, $EXPIRES, $DATA) VALUES ($TEXT, ` + expiry + `, $DOCUMENT)`

	// The version keeps it from overwriting somebody's change, the expiry from
	// bringing back a dead row, and an UPDATE never inserts.
	save = `UPDATE $TABLE SET $EXPIRES = ` + expiry + `, $DATA = $DOCUMENT WHERE ` + matches + ` AND ` + version + ` = ? AND ` + live

	// One statement, so that exactly one of the two ids is live at any moment.
	rekey = `UPDATE $TABLE SET $SID = $TEXT, $EXPIRES = ` + expiry + `, $DATA = $DOCUMENT WHERE ` + matches + ` AND ` + version + ` = ? AND ` + live

	// Whether a save changed nothing because the row moved on, is gone, or was so already.
	current = `SELECT ` + version + ` FROM $TABLE WHERE ` + matches + ` AND ` + live

	// The throttle is in the condition, so that of many parallel requests, on
	// however many machines, one writes; and it is what makes the move monotone.
	touch = `UPDATE $TABLE SET $EXPIRES = ` + expiry + ` WHERE ` + matches + ` AND ` + live + `
	AND $EXPIRES < ` + expiry + ` AND $EXPIRES <= ` + expiry

	deleteKey = `DELETE FROM $TABLE WHERE ` + matches

	// row.Handle, as bytes and as text. No index can serve them: these statements
	// read the whole table.
	handleBytes = `LEFT(UNHEX(SHA2(CAST($SID AS BINARY), 256)), 16)`
	handle      = `CAST(REPLACE(REPLACE(TRIM(TRAILING '=' FROM TO_BASE64(` + handleBytes + `)), '+', '-'), '/', '_') AS BINARY)`

	// Read first: a DELETE that reads the whole table locks all of it.
	selectHandle = `SELECT CAST($SID AS BINARY) FROM $TABLE WHERE ` + handleBytes + ` = CAST(? AS BINARY) AND ` + live
	deleteLive   = `DELETE FROM $TABLE WHERE ` + matches + ` AND ` + live

	// Rows that may be a user's; only the JSON tells. They are found by their text
	// because JSON_EXTRACT is an error for the whole statement when any row is no JSON.
	mayBe      = `LOCATE(CAST('` + row.QuotedMember + `' AS BINARY), CAST($DATA AS BINARY)) > 0 AND LOCATE(CAST(? AS BINARY), CAST($DATA AS BINARY)) > 0`
	selectUser = `SELECT CAST($SID AS BINARY), CAST($DATA AS BINARY) FROM $TABLE WHERE ` + mayBe
	deleteUser = `DELETE FROM $TABLE WHERE ` + matches + ` AND ` + mayBe
	// The condition holds for all rows and is for sql_safe_updates.
	deleteAll = `DELETE FROM $TABLE WHERE $SID >= '' ORDER BY $SID LIMIT ?`

	// A DELETE over an index on the expiry would take its locks in the reverse order
	// of a request's update and deadlock with it, so the rows are locked first, passing
	// over those that anybody holds, and then deleted by their ids.
	selectExpired  = `SELECT CAST($SID AS BINARY) FROM $TABLE WHERE ` + dead + ` ORDER BY $EXPIRES LIMIT ? FOR UPDATE SKIP LOCKED`
	deleteSelected = `DELETE s FROM $TABLE AS s FORCE INDEX ($PRIMARY) WHERE s.$SID IN ({ids}) AND s.` + dead
	countExpired   = `SELECT COUNT(*) FROM $TABLE WHERE ` + dead

	count    = `SELECT COUNT(*) FROM $TABLE WHERE ` + live
	inOrder  = `SELECT ` + columns + ` FROM $TABLE WHERE $SID > $TEXT AND ` + live + ` ORDER BY $SID LIMIT ?`
	list     = `SELECT ` + columns + ` FROM $TABLE WHERE ` + handle + ` > CAST(? AS BINARY) AND ` + live + ` ORDER BY ` + handle + ` LIMIT ?`
	listUser = `SELECT ` + columns + ` FROM $TABLE WHERE ` + mayBe + ` AND ` + handle + ` > CAST(? AS BINARY) AND ` + live + ` ORDER BY ` + handle + ` LIMIT ?`
)

// queries are the statements with one table's names and types in them.
type queries struct {
	load, create, save, rekey, current, touch, versionOf string

	deleteKey, selectHandle, deleteLive, selectUser, deleteUser, deleteAll, selectExpired, deleteSelected, text string

	countExpired, count, list, listUser, inOrder string
}

// newQueries takes pairs of a $NAME and what it stands for.
func newQueries(names ...string) *queries {
	on := strings.NewReplacer(names...).Replace
	return &queries{
		load: on(load), create: on(create), save: on(save), rekey: on(rekey), current: on(current), touch: on(touch),
		versionOf: on(versionOf),
		deleteKey: on(deleteKey), selectHandle: on(selectHandle), deleteLive: on(deleteLive), selectUser: on(selectUser), deleteUser: on(deleteUser),
		deleteAll: on(deleteAll), selectExpired: on(selectExpired), deleteSelected: on(deleteSelected), text: on(`$TEXT`),
		countExpired: on(countExpired), count: on(count), list: on(list), listUser: on(listUser), inOrder: on(inOrder),
	}
}
