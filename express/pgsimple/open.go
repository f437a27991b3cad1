package pgsimple

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/pgerr"
)

// Options name the table, with the same values that the Express application gives
// to connect-pg-simple. Names are made of ASCII letters, digits, underscores,
// hyphens and dollar signs, 63 at most, and upper and lower case count.
type Options struct {
	// Table is tableName. Defaults to "session".
	Table string
	// Schema is schemaName. Defaults to the connections' search_path.
	Schema string
	// SID, Sess and Expire are the columns of a table that was not made by
	// connect-pg-simple: connect-session-knex calls the last one "expired".
	// Default to "sid", "sess" and "expire".
	SID, Sess, Expire string

	// Logger gets the warnings of Open. Defaults to slog.Default().
	Logger *slog.Logger
}

// Open returns a store on a table that is there already. It looks at the table and at
// the time zone of the connection, and changes nothing. If sessions would be lost or
// mixed up, it returns an error that wraps [driver.ErrSchema] or [driver.ErrInvalid].
func Open(ctx context.Context, db *sql.DB, o Options) (*Store, error) {
	o.Table = cmp.Or(o.Table, "session")
	o.SID, o.Sess, o.Expire = cmp.Or(o.SID, "sid"), cmp.Or(o.Sess, "sess"), cmp.Or(o.Expire, "expire")
	quoted := map[string]string{} // by what it names
	for what, name := range map[string]string{
		"table": o.Table, "schema": cmp.Or(o.Schema, o.Table), "SID": o.SID, "Sess": o.Sess, "Expire": o.Expire,
	} {
		var err error
		if quoted[what], err = row.Name(what, name, `"`, maxName); err != nil {
			return nil, fmt.Errorf("pgsimple: %w", err)
		}
	}
	name := quoted["table"]
	if o.Schema != "" {
		name = quoted["schema"] + "." + name
	}
	t := &table{db: db, name: name}
	log := cmp.Or(o.Logger, slog.Default())
	var found shape
	err := db.QueryRowContext(ctx, inspect, name, o.SID, o.Sess, o.Expire).Scan(&found.sid, &found.sess, &found.expire,
		&found.exact, &found.unique, &found.expireIndexed)
	if err == nil {
		err = found.check(name, o)
	}
	if err == nil {
		err = checkEncoding(ctx, db)
	}
	if err == nil && found.expire == "timestamp" {
		err = checkZone(ctx, db, log)
	}
	if err != nil {
		return nil, fmt.Errorf("pgsimple: open: %w", t.Explain(err))
	}
	if !found.expireIndexed {
		log.Warn("pgsimple: there is no index on the expiry, so each cleanup reads the whole table; connect-pg-simple makes it since version 6.1",
			"statement", "CREATE INDEX CONCURRENTLY ON "+name+" ("+quoted["Expire"]+")")
	}
	t.sql = statements.Fill("$TABLE", name, "$JSON", found.sess,
		"$SID", quoted["SID"], "$SESS", quoted["Sess"], "$EXPIRE", quoted["Expire"])
	rows := &row.Store{Name: "pgsimple", Table: t, Statements: reads}
	return &Store{rows, rows}, nil
}

func checkEncoding(ctx context.Context, db *sql.DB) error {
	var client, server string
	err := db.QueryRowContext(ctx, `SELECT current_setting('client_encoding'), current_setting('server_encoding')`).Scan(&client, &server)
	if err == nil {
		err = pgerr.Encoding(client, server)
	}
	return err
}

// maxName is the length at which PostgreSQL cuts names.
const maxName = 63

// A shape is what a table looks like. Types are pg_type's names, "" for no column.
type shape struct {
	sid, sess, expire            string
	exact, unique, expireIndexed bool // exact: the column of ids tells all ids apart
}

// check returns why the table can't be used.
func (found *shape) check(table string, o Options) error {
	if *found == (shape{}) {
		return fmt.Errorf("%w: there is no table %s with the columns %s, %s and %s that this role can see; "+
			"the Express application makes it, from connect-pg-simple's table.sql or with createTableIfMissing", driver.ErrSchema, table, o.SID, o.Sess, o.Expire)
	}
	var errs []error
	for _, column := range []struct {
		name, typ string
		usable    []string
	}{
		{o.SID, found.sid, []string{"varchar", "text"}},
		{o.Sess, found.sess, []string{"json", "jsonb", "text"}},
		{o.Expire, found.expire, []string{"timestamp", "timestamptz"}},
	} {
		if !slices.Contains(column.usable, column.typ) {
			errs = append(errs, fmt.Errorf("%w: column %s of table %s is of type %q; use one of %v as connect-pg-simple's table.sql does",
				driver.ErrSchema, column.name, table, column.typ, column.usable))
		}
	}
	if !found.exact {
		errs = append(errs, fmt.Errorf("%w: the collation of column %s of table %s takes some different ids for the same; "+
			"connect-pg-simple's table.sql has COLLATE \"default\"", driver.ErrSchema, o.SID, table))
	}
	if !found.unique {
		errs = append(errs, fmt.Errorf("%w: table %s has no primary key on %s; add it: ALTER TABLE %[2]s ADD PRIMARY KEY (%[3]s)",
			driver.ErrSchema, table, o.SID))
	}
	return errors.Join(errs...)
}

// checkZone makes sure that this connection's TimeZone is the one that the Express
// application's connections have. Otherwise a session that is live for one program is expired for the
// other, which deletes it.
func checkZone(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	var ours, otherRoles string
	var theirs sql.NullString
	var agree sql.NullBool
	var utc, ofRole bool
	if err := db.QueryRowContext(ctx, zones).Scan(&ours, &theirs, &agree, &utc, &otherRoles, &ofRole); err != nil {
		return err
	}
	if !agree.Bool {
		instead := ""
		if theirs.Valid {
			instead = ", where others get " + theirs.String
		}
		return fmt.Errorf("%w: this connection asks for the time zone %s%s. The column expire has no time zone, and node-postgres asks for none, "+
			"so sessions would end hours too early or too late: remove TimeZone from the DSN, the variable PGTZ from the environment, "+
			"and any SET TimeZone; or make the column a timestamptz", driver.ErrInvalid, ours, instead)
	}
	if ofRole || otherRoles != "" {
		log.Warn("pgsimple: the time zone is set for single roles; connect with the role of the Express application, "+
			"or sessions end hours too early or too late", "zone", ours, "roles with another", otherRoles)
	}
	if !utc {
		log.Warn("pgsimple: the time zone is not UTC, and the column expire has none: where clocks are put back or forward, "+
			"sessions end an hour too early or too late", "zone", ours)
	}
	return nil
}
