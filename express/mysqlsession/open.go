package mysqlsession

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/mysqldb"
)

// Options name the table, with the same values that the Express application gives
// to express-mysql-session as schema. Names are made of ASCII letters, digits,
// underscores, hyphens and dollar signs, 64 at most.
type Options struct {
	// Table is tableName. Defaults to "sessions".
	Table string
	// Schema is the database. Defaults to the connections' database.
	Schema string
	// SessionID, Expires and Data are columnNames. Default to "session_id",
	// "expires" and "data".
	SessionID, Expires, Data string

	// Logger gets the warnings of Open. Defaults to slog.Default().
	Logger *slog.Logger
}

// maxName is how many characters a name may have.
const maxName = 64

// Open returns a store on a table that is there already. It looks at the table and
// changes nothing. If sessions would be lost or mixed up, it returns an error that
// wraps [driver.ErrSchema] or [driver.ErrInvalid].
func Open(ctx context.Context, db *sql.DB, o Options) (*Store, error) {
	o.Table = cmp.Or(o.Table, "sessions")
	o.SessionID, o.Expires, o.Data = cmp.Or(o.SessionID, "session_id"), cmp.Or(o.Expires, "expires"), cmp.Or(o.Data, "data")
	quoted := map[string]string{} // by what it names
	for what, name := range map[string]string{
		"table": o.Table, "schema": cmp.Or(o.Schema, o.Table), "SessionID": o.SessionID, "Expires": o.Expires, "Data": o.Data,
	} {
		var err error
		if quoted[what], err = row.Name(what, name, "`", maxName); err != nil {
			return nil, fmt.Errorf("mysqlsession: %w", err)
		}
	}
	name := quoted["table"]
	if o.Schema != "" {
		name = quoted["schema"] + "." + name
	}
	t := &table{db: mysqldb.Open(db), name: name}
	err := t.db.Check(ctx, db)
	if err == nil {
		err = t.inspect(ctx, db, o)
	}
	if err == nil {
		err = t.check(name, o)
	}
	if err != nil {
		return nil, fmt.Errorf("mysqlsession: open: %w", t.Explain(err))
	}
	if !t.expiresIndexed {
		cmp.Or(o.Logger, slog.Default()).Warn("mysqlsession: there is no index on the expiry, and express-mysql-session makes none, so each cleanup reads the whole table",
			"statement", "ALTER TABLE "+name+" ADD INDEX ("+quoted["Expires"]+")")
	}
	t.sql = statements.Fill("$TABLE", name, "$SID", quoted["SessionID"], "$EXPIRES", quoted["Expires"], "$DATA", quoted["Data"],
		"$TEXT", t.text(), "$DOCUMENT", t.document(), "$LATEST", t.latest(), "$PRIMARY", t.unique)
	rows := &row.Store{Name: "mysqlsession", Table: t, Statements: reads}
	return &Store{rows, rows}, nil
}

// check returns why the table can't be used.
func (s *shape) check(table string, o Options) error {
	if len(s.columns) == 0 {
		return fmt.Errorf("%w: there is no table %s that this user can see; "+
			"the Express application makes it, from express-mysql-session's schema.sql or with createDatabaseTable", driver.ErrSchema, table)
	}
	id, expires, data := s.id, s.expires, s.data
	var errs []error
	bad := func(column, what, instead string) {
		errs = append(errs, fmt.Errorf("%w: column %s of table %s %s; express-mysql-session's schema.sql has %s", driver.ErrSchema, column, table, what, instead))
	}
	switch {
	case id.Type != "varchar" && id.Type != "varbinary":
		bad(o.SessionID, fmt.Sprintf("is of type %q", id.Type), "varchar(128) COLLATE utf8mb4_bin")
	case !id.exact():
		bad(o.SessionID, "takes different ids for the same, with the collation "+id.Collation, "COLLATE utf8mb4_bin")
	case s.unique == "":
		bad(o.SessionID, "is not the primary key", "PRIMARY KEY (session_id)")
	}
	if expires.Type != "int" && expires.Type != "bigint" {
		bad(o.Expires, fmt.Sprintf("is of type %q", expires.Type), "int(11) unsigned")
	}
	switch data.Type {
	case "json":
	case "varchar", "text", "mediumtext", "longtext":
		if !data.unicode() {
			bad(o.Data, "has the character set "+data.Charset, "utf8mb4")
		}
	default:
		bad(o.Data, fmt.Sprintf("is of type %q", data.Type), "mediumtext COLLATE utf8mb4_bin")
	}
	return errors.Join(errs...)
}
