package pgsimple

import (
	"strings"

	"github.com/sqlsessions/sessions/express/internal/row"
)

// All times are whole seconds of the database's clock, rounded up as upstream
// rounds its own. The column is usually a timestamp without time zone, and PostgreSQL
// converts what to_timestamp returns by the connection's TimeZone, when it writes and
// when it compares: so these statements do just what upstream's do. Durations go in
// and come out in microseconds. In all statements $1 is the id and $2 the idle timeout.
const (
	now  = `to_timestamp(ceil(extract(epoch FROM now())))`
	live = `sess IS NOT NULL AND expire >= ` + now

	expiry = `to_timestamp(ceil(extract(epoch FROM now()) + $2::bigint / 1000000.0))`

	// Upstream has no counter, so a row's version is a digest of its text: row.Version.
	version = `(('x' || left(encode(sha256(convert_to(sess::text, 'UTF8')), 'hex'), 15))::bit(60)::bigint + 1)`

	// No expiry is further away than a duration can be.
	columns = `sid, sess::text, ` + version + `,
	(extract(epoch FROM least(expire::timestamptz, now() + interval '100 years') - now()) * 1000000)::bigint`

	load = `SELECT ` + columns + ` FROM $TABLE WHERE sid = $1 AND ` + live

	// DO NOTHING and no error, so that a taken id needs no parsing of messages.
	create = `INSERT INTO $TABLE (sid, sess, expire) VALUES ($1, $3::$JSON, ` + expiry + `) ON CONFLICT DO NOTHING`

	// The version keeps it from overwriting somebody's change, the expiry from
	// bringing back a dead row, and an UPDATE never inserts.
	save = `UPDATE $TABLE SET sess = $4::$JSON, expire = ` + expiry + `
	WHERE sid = $1 AND ` + version + ` = $3::bigint AND ` + live + ` RETURNING ` + version

	// One statement, so that exactly one of the two ids is live at any moment.
	rekey = `UPDATE $TABLE SET sid = $5, sess = $4::$JSON, expire = ` + expiry + `
	WHERE sid = $1 AND ` + version + ` = $3::bigint AND ` + live + ` RETURNING ` + version

	// Whether a save found nothing because the row moved on or because it is gone.
	exists = `SELECT 1 FROM $TABLE WHERE sid = $1 AND ` + live

	// The throttle is in the condition, so that of many parallel requests, on
	// however many machines, one writes; and it is what makes the move monotone.
	touch = `UPDATE $TABLE SET expire = ` + expiry + ` WHERE sid = $1 AND ` + live + `
	AND expire < ` + expiry + ` AND expire <= ` + expiry + ` - $3::bigint * interval '1 microsecond'`

	deleteKey = `DELETE FROM $TABLE WHERE sid = $1`

	// row.Handle, as bytes and as text. No index can serve them: these statements
	// read the whole table.
	handleBytes = `substring(sha256(convert_to(sid, 'UTF8')) FROM 1 FOR 16)`
	handle      = `translate(rtrim(encode(` + handleBytes + `, 'base64'), '='), '+/', '-_') COLLATE "C"`

	deleteHandle = `DELETE FROM $TABLE WHERE ` + handleBytes + ` = $1::bytea AND ` + live

	// Rows that may be a user's; only the JSON tells. They are found by their text
	// because sess->>'$user' is an error for the whole statement when any row has a \u0000,
	// or, in a column of text, is no JSON.
	mayBe        = `strpos(sess::text, '` + row.QuotedMember + `') > 0 AND strpos(sess::text, `
	selectUser   = `SELECT sid, sess::text FROM $TABLE WHERE ` + mayBe + `$1::text) > 0`
	deleteUser   = `DELETE FROM $TABLE WHERE ` + mayBe + `$1::text) > 0 AND sid IN (SELECT json_array_elements_text($2::json))`
	deleteAll    = `DELETE FROM $TABLE WHERE sid IN (SELECT sid FROM $TABLE ORDER BY sid LIMIT $1 FOR UPDATE)`
	deleteRest   = `DELETE FROM $TABLE` // those too whose id changes meanwhile
	list         = `SELECT ` + columns + ` FROM $TABLE WHERE ` + handle + ` > $1 AND ` + live + ` ORDER BY ` + handle + ` LIMIT $2`
	listUser     = `SELECT ` + columns + ` FROM $TABLE WHERE ` + mayBe + `$3::text) > 0 AND ` + handle + ` > $1 AND ` + live + ` ORDER BY ` + handle + ` LIMIT $2`
	inOrder      = `SELECT ` + columns + ` FROM $TABLE WHERE sid > $1 AND ` + live + ` ORDER BY sid LIMIT $2`
	count        = `SELECT count(*) FROM $TABLE WHERE ` + live
	expired      = `expire < ` + now
	countExpired = `SELECT count(*) FROM $TABLE WHERE ` + expired

	// SKIP LOCKED: a row that a request or another reaper holds is neither waited for
	// nor deleted under its hands, and since nothing waits, nothing deadlocks.
	deleteExpired = `WITH dead AS (
		SELECT sid FROM $TABLE WHERE ` + expired + ` ORDER BY expire LIMIT $1 FOR UPDATE SKIP LOCKED
	) DELETE FROM $TABLE AS s USING dead WHERE s.sid = dead.sid`
)

// queries are the statements with one table's name and type in them.
type queries struct {
	load, create, save, rekey, exists, touch string

	deleteKey, deleteHandle, selectUser, deleteUser, deleteAll, deleteRest, deleteExpired string

	countExpired, count, list, listUser, inOrder string
}

func newQueries(table, jsonType string) *queries {
	on := strings.NewReplacer("$TABLE", table, "$JSON", jsonType).Replace
	return &queries{
		load: on(load), create: on(create), save: on(save), rekey: on(rekey), exists: on(exists), touch: on(touch),
		deleteKey: on(deleteKey), deleteHandle: on(deleteHandle), selectUser: on(selectUser), deleteUser: on(deleteUser),
		deleteAll: on(deleteAll), deleteRest: on(deleteRest), deleteExpired: on(deleteExpired),
		countExpired: on(countExpired), count: on(count), list: on(list), listUser: on(listUser), inOrder: on(inOrder),
	}
}
