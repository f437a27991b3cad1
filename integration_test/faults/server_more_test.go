package faults_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// readOnly: a migration goes on with the connection that it has.
func readOnly(op *operation) verdict {
	switch op.name {
	case "load", "list":
		return done
	case "migrate":
		return either
	}
	return all(refused)(op)
}

// locked: the tables are, and the reads wait too.
func locked(op *operation) verdict {
	if op.name == "migrate" {
		return done
	}
	return all(refused)(op)
}

// timedOut is locked for all statements, on a slow machine those of the migration too.
func timedOut(op *operation) verdict {
	if op.name == "migrate" {
		return either
	}
	return all(refused)(op)
}

// held: the rows that are there are. A statement that waits when the time is up may be carried
// out when they are free.
func held(op *operation) verdict {
	switch op.name {
	case "load", "list", "create", "reap", "migrate":
		return done
	}
	return all(unknown)(op)
}

// role changes the role of the applications, whose connections begin again.
func role(change, back string) func(t *testing.T, w *ownWorld) (end func()) {
	return func(t *testing.T, w *ownWorld) func() {
		w.execute(t, "ALTER ROLE app "+change)
		w.through.Renew()
		return func() {
			w.execute(t, "ALTER ROLE app "+back)
			w.through.Renew()
		}
	}
}

func lockTables(change, back, lock string) func(t *testing.T, w *ownWorld) (end func()) {
	return func(t *testing.T, w *ownWorld) func() {
		mend := role(change, back)(t, w)
		release := w.hold(t, lock)
		return func() {
			release()
			mend()
		}
	}
}

func holdRows(lock string) func(t *testing.T, w *ownWorld) (end func()) {
	return func(t *testing.T, w *ownWorld) func() { return w.hold(t, lock) }
}

// signal makes the server fail the next statements that write a row, with a code. What counts
// them is not rolled back with them.
func signal(code string, times int) func(t *testing.T, w *ownWorld) (end func()) {
	return func(t *testing.T, w *ownWorld) func() {
		if w.direct.Dialect == migrations.PostgreSQL {
			w.execute(t, "CREATE SEQUENCE $TABLE_seq", "GRANT ALL ON $TABLE_seq TO app",
				fmt.Sprintf(`CREATE FUNCTION $TABLE_fails() RETURNS trigger LANGUAGE plpgsql AS $f$
					BEGIN
						IF nextval('$TABLE_seq') <= %d THEN
							RAISE EXCEPTION 'as told' USING ERRCODE = '%s';
						END IF;
						IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
						RETURN NEW;
					END $f$`, times, code),
				"CREATE TRIGGER fails BEFORE INSERT OR UPDATE OR DELETE ON $TABLE FOR EACH ROW EXECUTE FUNCTION $TABLE_fails()")
			return func() {
				w.execute(t, "DROP TRIGGER fails ON $TABLE", "DROP FUNCTION $TABLE_fails()", "DROP SEQUENCE $TABLE_seq")
			}
		}
		w.execute(t, "CREATE TABLE $TABLE_seq (n INT NOT NULL) ENGINE = MyISAM", "INSERT INTO $TABLE_seq VALUES (0)")
		for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
			w.execute(t, fmt.Sprintf(`CREATE TRIGGER $TABLE_%[1]s BEFORE %[1]s ON $TABLE FOR EACH ROW
				BEGIN
					UPDATE $TABLE_seq SET n = n + 1;
					IF (SELECT n FROM $TABLE_seq) <= %[2]d THEN
						SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = %[3]s, MESSAGE_TEXT = 'as told';
					END IF;
				END`, event, times, code))
		}
		return func() {
			w.execute(t, "DROP TRIGGER $TABLE_INSERT", "DROP TRIGGER $TABLE_UPDATE", "DROP TRIGGER $TABLE_DELETE", "DROP TABLE $TABLE_seq")
		}
	}
}

// answers waits until the server takes new connections again.
func answers(t *testing.T, w *ownWorld) {
	t.Helper()
	testbed.Await(t, "the server answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		w.direct.Renew()
		return w.direct.DB.PingContext(ctx) == nil
	})
}

// directly is the address of the applications without the proxy.
func (w *ownWorld) directly(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(w.through.URL)
	testbed.Check(t, err)
	server, err := url.Parse(w.direct.URL)
	testbed.Check(t, err)
	u.Host = server.Host
	return u.String()
}
