package handover_test

import (
	"database/sql"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func openSQL(engine servers.Engine, url string) (*sql.DB, error) {
	if engine == servers.PostgreSQL {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeExec // there may be a pooler
		return stdlib.OpenDB(*config), nil
	}
	dsn, err := servers.MySQLDSN(url)
	if err != nil {
		return nil, err
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// A table is one that Node made. Its fields are the settings of Node's store.
type table struct {
	db     *database
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
}

// newTable names a table, and makes the schema that PostgreSQL has it in: the names
// of connect-pg-simple's constraint and index allow one table in a schema.
func (d *database) newTable(t *testing.T, name string) *table {
	t.Helper()
	if d.engine == servers.MySQL {
		return &table{db: d, Name: name}
	}
	_, err := d.sql.ExecContext(t.Context(), `CREATE SCHEMA "`+name+`"`)
	testbed.Check(t, err)
	return &table{db: d, Schema: name, Name: "session"}
}

func (tb *table) store(t *testing.T) sessions.Store {
	t.Helper()
	var store sessions.Store
	var err error
	log := slog.New(slog.DiscardHandler) // it says that an index is missing
	if tb.db.engine == servers.PostgreSQL {
		store, err = pgsimple.Open(t.Context(), tb.db.sql, pgsimple.Options{Schema: tb.Schema, Table: tb.Name, Logger: log})
	} else {
		store, err = mysqlsession.Open(t.Context(), tb.db.sql, mysqlsession.Options{Table: tb.Name, Logger: log})
	}
	testbed.Check(t, err)
	return store
}

// query writes a statement for the database: $TABLE, $SID, $TEXT and $EXPIRE stand for the
// table and its columns, and ? for parameters.
func (tb *table) query(statement string) string {
	if tb.db.engine == servers.MySQL {
		return strings.NewReplacer("$TABLE", tb.Name, "$SID", "session_id", "$TEXT", "data", "$EXPIRE", "expires",
			"$EPOCH", "expires", "$JSON", "", "$NOW", "UNIX_TIMESTAMP()", "$AT", "").Replace(statement)
	}
	statement = strings.NewReplacer("$TABLE", `"`+tb.Schema+`"."`+tb.Name+`"`, "$SID", "sid", "$TEXT", "sess", "$EXPIRE", "expire",
		"$EPOCH", "extract(epoch FROM expire::timestamptz)::bigint", "$JSON", "::json",
		"$NOW", "ceil(extract(epoch FROM now()))::bigint", "$AT", "to_timestamp").Replace(statement)
	for _, parameter := range []string{"$1", "$2", "$3"} {
		statement = strings.Replace(statement, "?", parameter, 1)
	}
	return statement
}

func (tb *table) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := tb.db.sql.ExecContext(t.Context(), tb.query(statement), args...)
	testbed.Check(t, err)
}

// A row is one as it stands in the table.
type row struct {
	text string
	at   int64 // seconds of Unix time
}

// rows returns the whole table, by the ids.
func (tb *table) rows(t *testing.T) map[string]row {
	t.Helper()
	found, err := tb.db.sql.QueryContext(t.Context(), tb.query("SELECT $SID, $TEXT, $EPOCH FROM $TABLE"))
	testbed.Check(t, err)
	defer found.Close()
	all := map[string]row{}
	for found.Next() {
		var sid string
		var r row
		testbed.Check(t, found.Scan(&sid, &r.text, &r.at))
		all[sid] = r
	}
	testbed.Check(t, found.Err())
	return all
}

// clock returns the server's time in microseconds of Unix time.
func (d *database) clock(t *testing.T) (micros int64) {
	t.Helper()
	query := "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	if d.engine == servers.MySQL {
		query = "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"
	}
	testbed.Check(t, d.sql.QueryRowContext(t.Context(), query).Scan(&micros))
	return micros
}

// second returns the one that an expiry at some moment is written as: that is how
// the two stores of Node round.
func (d *database) second(micros int64) int64 {
	if d.engine == servers.MySQL {
		return (micros + 500_000) / 1_000_000
	}
	return (micros + 999_999) / 1_000_000
}

// put inserts a row that lives for some seconds.
func (tb *table) put(t *testing.T, sid, text string, seconds int64) {
	t.Helper()
	tb.exec(t, "INSERT INTO $TABLE ($SID, $TEXT, $EXPIRE) VALUES (?, ?$JSON, $AT($NOW + ?))", sid, text, seconds)
}

// copyTo makes another table hold this row and no other.
func (tb *table) copyTo(t *testing.T, other *table, sid string, r row) {
	t.Helper()
	other.exec(t, "DELETE FROM $TABLE")
	if r.text != "" {
		other.exec(t, "INSERT INTO $TABLE ($SID, $TEXT, $EXPIRE) VALUES (?, ?$JSON, $AT(?))", sid, r.text, r.at)
	}
}

// age makes a row end so many seconds from now.
func (tb *table) age(t *testing.T, sid string, seconds int64) {
	t.Helper()
	tb.exec(t, "UPDATE $TABLE SET $EXPIRE = $AT($NOW + ?) WHERE $SID = ?", seconds, sid)
}

// keep deletes all rows but those.
func (tb *table) keep(t *testing.T, all map[string]row, sids ...string) {
	t.Helper()
	for sid := range maps.Keys(all) {
		if !slices.Contains(sids, sid) {
			tb.exec(t, "DELETE FROM $TABLE WHERE $SID = ?", sid)
		}
	}
}
