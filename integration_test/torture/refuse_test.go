package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// refusals are the errors with which the server refuses some writes, or all, for a while.
var refusals = map[migrations.Dialect][]fault{
	migrations.PostgreSQL: {
		{"the server is read-only", refuseWrites("25006", 1)},
		{"the disk is full", refuseWrites("53100", 1)},
		{"deadlocks", refuseWrites("40P01", 0.3)},
		{"serialization failures", refuseWrites("40001", 0.3)},
	},
	migrations.MySQL: {
		{"the server is read-only", refuseWrites("1290", 1)},
		{"the disk is full", refuseWrites("1021", 1)},
		{"deadlocks", refuseWrites("1213", 0.3)},
		{"lock timeouts", refuseWrites("1205", 0.1)},
	},
}

// mayRefuse prepares the table for them: triggers that fail as often, and with the code, that
// another table says.
func (w *world) mayRefuse() {
	w.Helper()
	do := func(ctx context.Context, statements ...string) {
		for _, s := range statements {
			_, err := w.admin.DB.ExecContext(ctx, strings.ReplaceAll(s, "$TABLE", w.admin.Name))
			testbed.Check(w, err)
		}
	}
	do(w.Context(),
		"CREATE TABLE $TABLE_refuse (code VARCHAR(5) NOT NULL, share DOUBLE PRECISION NOT NULL)",
		"INSERT INTO $TABLE_refuse VALUES ('', 0)")
	w.Cleanup(func() { do(context.Background(), "DROP TABLE $TABLE_refuse") })
	if w.admin.Dialect == migrations.PostgreSQL {
		do(w.Context(), `
CREATE FUNCTION $TABLE_refused() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
	said text;
BEGIN
	SELECT code INTO said FROM $TABLE_refuse WHERE random() < share;
	IF FOUND THEN
		RAISE EXCEPTION 'as told' USING ERRCODE = said;
	END IF;
	IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
	RETURN NEW;
END $f$`, `
CREATE TRIGGER refused BEFORE INSERT OR UPDATE OR DELETE ON $TABLE
FOR EACH ROW EXECUTE FUNCTION $TABLE_refused()`)
		w.Cleanup(func() { do(context.Background(), "DROP FUNCTION $TABLE_refused() CASCADE") })
		return
	}
	for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
		do(w.Context(), fmt.Sprintf(`
CREATE TRIGGER $TABLE_%[1]s BEFORE %[1]s ON $TABLE
FOR EACH ROW
BEGIN
	DECLARE said INT DEFAULT (SELECT code FROM $TABLE_refuse WHERE RAND() < share);
	IF said IS NOT NULL THEN
		SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = said, MESSAGE_TEXT = 'as told';
	END IF;
END`, event))
	}
}

// refuseWrites makes a share of the writes fail with a code.
func refuseWrites(code string, share float64) func(*world, *rand.Rand) (func(), error) {
	return func(w *world, _ *rand.Rand) (func(), error) {
		set := func(code string, share float64) error {
			_, err := w.admin.DB.ExecContext(context.Background(), fmt.Sprintf("UPDATE %s_refuse SET code = '%s', share = %g", w.admin.Name, code, share))
			if err != nil {
				return fmt.Errorf("refuse %s: %w", code, err)
			}
			return nil
		}
		return func() { w.surely(func() error { return set("", 0) }) }, set(code, share)
	}
}
