package pgsimple

import (
	"strings"

	"github.com/sqlsessions/sessions/express/internal/row"
)

// tokens stand in the statements for what several of them share. Each may use those
// after it.
//
// All times are whole seconds of the database's clock, rounded up as upstream rounds
// its own. The column is usually a timestamp without time zone, and PostgreSQL
// converts what to_timestamp returns by the connection's TimeZone, both when it writes
// and when it compares, so these statements do just what upstream's do. Durations go
// in and come out in microseconds.
var tokens = [][2]string{
	// No expiry is further away than a duration can be.
	{"$COLUMNS", `sid, sess::text, $VERSION,
	(extract(epoch FROM least(expire::timestamptz, now() + interval '100 years') - now()) * 1000000)::bigint`},

	// Upstream has no counter, so a row's version is a digest of its text: row.Version.
	{"$VERSION", `(('x' || left(encode(sha256(convert_to(sess::text, 'UTF8')), 'hex'), 15))::bit(60)::bigint + 1)`},

	// row.ID. No index can serve it, so a statement with it reads the whole table.
	{"$ID", `(
		SELECT left(h, 8) || '-' || substr(h, 9, 4) || '-8' || substr(h, 14, 3)
			|| '-' || translate(substr(h, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab') || substr(h, 18, 3) || '-' || substr(h, 21, 12)
		FROM encode(sha256(convert_to(sid, 'UTF8')), 'hex') AS h
	) COLLATE "C"`},

	// The throttle is a condition, so that of many parallel requests, on however many
	// machines, one writes. It also keeps an expiry from moving back.
	{"$DUE", `expire < $EXPIRY AND expire <= $EXPIRY - $3::bigint * interval '1 microsecond'`},
	{"$EXPIRY", `to_timestamp(ceil(extract(epoch FROM now()) + $2::bigint / 1000000.0))`},

	{"$LIVE", `sess IS NOT NULL AND expire >= $NOW`},
	{"$DEAD", `expire < $NOW`},
	{"$NOW", `to_timestamp(ceil(extract(epoch FROM now())))`},

	// A row may be a user's if this member is in its text. Only the JSON tells for certain,
	// but sess->>'$user' is an error for the whole statement when any row has a \u0000
	// or, in a column of text, is not JSON.
	{"$MEMBER", `'` + row.QuotedMember + `'`},
}

// queries are the statements for one table.
type queries struct {
	load, create, save, touch, exists, end, text           string
	byID, byUser, endAll, endRest, list, listUser, inOrder string
	stats, reap                                            string
}

func newQueries(table, jsonType string) *queries {
	names := strings.NewReplacer("$TABLE", table, "$JSON", jsonType)
	q := func(statement string) string {
		for _, token := range tokens {
			statement = strings.ReplaceAll(statement, token[0], token[1])
		}
		return names.Replace(statement) // last, because a name may look like a token
	}
	return &queries{
		load: q(`SELECT $COLUMNS
			FROM $TABLE
			WHERE sid = $1 AND $LIVE`),

		// DO NOTHING and no error, so that a sid that is taken needs no parsing of messages.
		create: q(`INSERT INTO $TABLE (sid, sess, expire)
			VALUES ($1, $3::$JSON, $EXPIRY)
			ON CONFLICT DO NOTHING
			RETURNING $VERSION`),

		// The version keeps it from overwriting another request's change, the expiry from
		// bringing back a dead row, and an UPDATE never inserts. With another sid, it is
		// one statement, so exactly one of the two is live at any moment.
		save: q(`UPDATE $TABLE
			SET sid = $5, sess = $4::$JSON, expire = $EXPIRY
			WHERE sid = $1 AND $VERSION = $3::bigint AND $LIVE
			RETURNING $VERSION`),

		// No row: it was not live. True: it was moved, or it was live and needed no move.
		// False: it was due when the statement began and is not moved, so another request
		// changed it since: moved it, gave it another sid or ended it.
		touch: q(`WITH moved AS (
				UPDATE $TABLE
				SET expire = $EXPIRY
				WHERE sid = $1 AND $LIVE AND $DUE
				RETURNING 1
			)
			SELECT EXISTS (SELECT FROM moved) OR NOT ($DUE)
			FROM $TABLE
			WHERE sid = $1 AND $LIVE`),

		exists: q(`SELECT true
			FROM $TABLE
			WHERE sid = $1 AND $LIVE`),

		// With a version or, for NULL, whatever it is. Returns whether the row was live.
		end: q(`DELETE FROM $TABLE
			WHERE sid = $1 AND sess IS NOT NULL AND ($2::bigint IS NULL OR $VERSION = $2::bigint)
			RETURNING $LIVE`),

		text: q(`SELECT sess::text
			FROM $TABLE
			WHERE sid = $1 AND sess IS NOT NULL`),

		byID: q(`SELECT sid, sess::text
			FROM $TABLE
			WHERE $ID = $1 AND sess IS NOT NULL
			LIMIT 1`),

		byUser: q(`SELECT sid, sess::text
			FROM $TABLE
			WHERE strpos(sess::text, $MEMBER) > 0 AND strpos(sess::text, $1::text) > 0`),

		endAll: q(`WITH ended AS (
				DELETE FROM $TABLE
				WHERE sid IN (
					SELECT sid
					FROM $TABLE
					WHERE $LIVE AND $ID NOT IN (SELECT json_array_elements_text($1::json))
					ORDER BY sid
					LIMIT $2
					FOR UPDATE
				)
				RETURNING 1
			)
			SELECT count(*)
			FROM ended`),

		// Without a sid in its condition, so that it ends also a row whose sid changes while
		// it runs. Dead rows go too, because Node can bring one back to life.
		endRest: q(`WITH ended AS (
				DELETE FROM $TABLE
				WHERE $ID NOT IN (SELECT json_array_elements_text($1::json))
				RETURNING $LIVE AS live
			)
			SELECT count(*) FILTER (WHERE live)
			FROM ended`),

		// OFFSET 0 keeps the ID from being computed twice.
		list: q(`SELECT $COLUMNS
			FROM (
				SELECT sid, sess, expire, $ID AS id
				FROM $TABLE
				WHERE $LIVE
				OFFSET 0
			) AS live
			WHERE id > $1
			ORDER BY id
			LIMIT $2`),

		listUser: q(`SELECT $COLUMNS
			FROM (
				SELECT sid, sess, expire, $ID AS id
				FROM $TABLE
				WHERE strpos(sess::text, $MEMBER) > 0 AND strpos(sess::text, $3::text) > 0 AND $LIVE
				OFFSET 0
			) AS live
			WHERE id > $1
			ORDER BY id
			LIMIT $2`),

		inOrder: q(`SELECT $COLUMNS
			FROM $TABLE
			WHERE sid > $1 AND $LIVE
			ORDER BY sid
			LIMIT $2`),

		stats: q(`SELECT count(*) FILTER (WHERE $LIVE), count(*) FILTER (WHERE $DEAD)
			FROM $TABLE`),

		// SKIP LOCKED: a row that a request or another reaper has locked is neither waited
		// for nor deleted, and because nothing waits, nothing deadlocks.
		reap: q(`WITH dead AS (
				SELECT sid
				FROM $TABLE
				WHERE $DEAD
				ORDER BY expire
				LIMIT $1
				FOR UPDATE SKIP LOCKED
			), deleted AS (
				DELETE FROM $TABLE AS s
				USING dead
				WHERE s.sid = dead.sid AND s.$DEAD
				RETURNING 1
			)
			SELECT count(*)
			FROM deleted`),
	}
}
