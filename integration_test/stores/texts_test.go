package stores_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// What a server says of a statement that it refuses may quote what was in it. None of that reaches
// a log.
func TestErrorsQuoteNoValues(t *testing.T) {
	const secret = "alice-s3cret"
	vitess := `CREATE TRIGGER $TABLE_%[1]s BEFORE %[1]s ON $TABLE FOR EACH ROW
		SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = %[2]d, MESSAGE_TEXT = 'vttablet: rpc error: Sql: "insert", BindVars: {v1: "` + secret + `"}'`
	spoils := map[migrations.Dialect]map[string][]string{
		migrations.PostgreSQL: {
			"unique":     {"CREATE UNIQUE INDEX ON $TABLE (user_id)"},
			"a check":    {"ALTER TABLE $TABLE ADD CHECK (length(user_id) < 5)"},
			"too long":   {"ALTER TABLE $TABLE ALTER COLUMN user_id TYPE varchar(5)"},
			"a number":   {"ALTER TABLE $TABLE ALTER COLUMN user_id TYPE integer USING 1"},
			"not a time": {"ALTER TABLE $TABLE ALTER COLUMN user_id TYPE timestamptz USING now()"},
			"a trigger": {
				"CREATE FUNCTION $TABLE_no() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN RAISE 'no' USING DETAIL = NEW.user_id, HINT = NEW.data; END$f$",
				"CREATE TRIGGER no BEFORE INSERT OR UPDATE ON $TABLE FOR EACH ROW EXECUTE FUNCTION $TABLE_no()",
			},
		},
		migrations.MySQL: {
			"unique":        {"CREATE UNIQUE INDEX u ON $TABLE (user_id)"},
			"a check":       {"ALTER TABLE $TABLE ADD CHECK (length(user_id) < 5)"},
			"too long":      {"ALTER TABLE $TABLE MODIFY user_id VARCHAR(5)"},
			"a number":      {"ALTER TABLE $TABLE MODIFY user_id INT"},
			"not a time":    {"ALTER TABLE $TABLE MODIFY user_id DATETIME"},
			"Vitess":        {fmt.Sprintf(vitess, "INSERT", 1105), fmt.Sprintf(vitess, "UPDATE", 1105)},
			"Vitess denies": {fmt.Sprintf(vitess, "INSERT", 1142), fmt.Sprintf(vitess, "UPDATE", 1142)},
			"Vitess misses": {fmt.Sprintf(vitess, "INSERT", 1054), fmt.Sprintf(vitess, "UPDATE", 1054)},
		},
		migrations.SQLite: {
			"unique":    {"CREATE UNIQUE INDEX u ON $TABLE (user_id)"},
			"a trigger": {"CREATE TRIGGER no BEFORE INSERT ON $TABLE WHEN length(NEW.user_id) > 5 BEGIN SELECT RAISE(ABORT, 'no'); END"},
		},
	}
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		for name, statements := range spoils[b.Dialect] {
			t.Run(name, func(t *testing.T) {
				ctx, tab := t.Context(), b.NewTable(t)
				rows := make([]driver.Row, 8)
				for i := range rows {
					rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
				}
				tab.Exec(t, statements...)
				t.Cleanup(func() {
					_, _ = tab.DB.ExecContext(context.Background(), "DROP FUNCTION "+tab.Name+"_no() CASCADE")
				})
				var failed atomic.Int32
				check := func(what string, err error) {
					if err == nil {
						return
					}
					if failed.Add(1); strings.Contains(fmt.Sprintf("%v %+v %s", err, err, err), secret) {
						t.Errorf("%s: %v", what, err)
					}
				}
				testbed.Parallel(len(rows), func(i int) {
					one := testbed.NewRow(`{"n":"` + secret + `"}`)
					one.User = secret
					_, err := testbed.Create(ctx, tab.Store, one, testbed.Day)
					check("create", err)
					rows[i].User, rows[i].Data = one.User, one.Data
					_, err = testbed.Save(ctx, tab.Store, rows[i], testbed.AnHour)
					check("save", err)
					_, err = testbed.EndUser(ctx, tab.Store, secret)
					check("end all", err)
				})
				if failed.Load() == 0 {
					t.Error("nothing was refused")
				}
			})
		}
	})
}
