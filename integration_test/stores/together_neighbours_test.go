package stores_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// PostgreSQL can undo a statement at its commit, after it has returned the saved rows: here by a
// deferred trigger, and on its own at the level serializable. If a caller that waited for the row
// changes it before the statement runs again, the row was not saved.
func TestASaveThatIsUndoneAtCommit(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		if tab.Dialect != migrations.PostgreSQL {
			return // the others return nothing before the commit
		}
		ctx := t.Context()
		row := func() driver.Row { return testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`)) }
		alone, first, second := row(), row(), row()
		other := tab.ConnectTo(t, tab.URL)
		undo(t, other, tab.Name, first.ID, `
			IF nextval('$T_commits') > 1 THEN RETURN NULL; END IF;
			FOR i IN 1..6000 LOOP -- until a statement waits for the row
				EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
					AND transactionid = pg_current_xact_id()::xid);
				PERFORM pg_sleep(0.01);
			END LOOP;`)
		var changed sync.WaitGroup
		saves := func(r driver.Row, want error) func() {
			return func() {
				r.Data = []byte(`{"n":2}`)
				if v, err := testbed.Save(ctx, tab.Store, r, testbed.AnHour); !errors.Is(err, want) || err == nil && v == r.Version {
					t.Errorf("save: version %d, %v, want %v", v, err, want)
				}
			}
		}
		togetherAfter(t, tab, func() {
			changed.Go(func() {
				for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
					var commits bool // the batch holds its rows
					err := other.DB.QueryRowContext(ctx, strings.ReplaceAll("SELECT is_called FROM $T_commits", "$T", tab.Name)).Scan(&commits)
					if err != nil || commits {
						break
					}
				}
				there := &testbed.Table{Conns: other, Name: tab.Name}
				there.Change(t, first.ID, `version = version + 1, data = '{"n":3}'`)
			})
		}, saves(alone, nil), saves(first, sessions.ErrConflict), saves(second, nil))
		changed.Wait()
		for id, want := range map[driver.ID]string{first.ID: `{"n":3}`, second.ID: `{"n":2}`} {
			var data string
			testbed.Check(t, other.DB.QueryRowContext(ctx, "SELECT data FROM "+tab.Name+" WHERE id = "+tab.Literal(id)).Scan(&data))
			if data != want {
				t.Errorf("the row holds %s, want %s", data, want)
			}
		}
	})
}

// undo undoes each change of a row at its commit, after some statements of PL/pgSQL.
func undo(t *testing.T, c *testbed.Conns, table string, id driver.ID, first string) {
	t.Helper()
	run := func(ctx context.Context, statement string) {
		_, err := c.DB.ExecContext(ctx, strings.ReplaceAll(statement, "$T", table))
		testbed.Check(t, err)
	}
	run(t.Context(), "CREATE SEQUENCE $T_commits")
	run(t.Context(), "CREATE FUNCTION $T_undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+first+" RAISE EXCEPTION 'undone' USING ERRCODE = '40001'; END $$")
	run(t.Context(), "CREATE CONSTRAINT TRIGGER undo AFTER UPDATE ON $T DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = "+
		c.Literal(id)+") EXECUTE FUNCTION $T_undo()")
	t.Cleanup(func() {
		run(context.Background(), "DROP FUNCTION $T_undo CASCADE")
		run(context.Background(), "DROP SEQUENCE $T_commits")
	})
}

// A row that others change all the time does not delay other rows.
func TestARowThatIsAlwaysUndone(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		if tab.Dialect != migrations.PostgreSQL {
			return // has no such trigger
		}
		ctx := t.Context()
		rows := make([]driver.Row, 5)
		var saves, touches []func()
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
			saves = append(saves, func() {
				if _, err := testbed.Save(ctx, tab.Store, rows[i], testbed.AnHour); (err != nil) != (i == 2) {
					t.Errorf("save %d: %v", i, err)
				}
			})
			touches = append(touches, func() {
				if err := testbed.Touch(ctx, tab.Store, rows[i].Ref, driver.Life{Idle: 2 * time.Hour}); (err != nil) != (i == 2) {
					t.Errorf("touch %d: %v", i, err)
				}
			})
		}
		undo(t, tab.ConnectTo(t, tab.URL), tab.Name, rows[2].ID, "")
		together(t, tab, saves...)
		together(t, tab, touches...)
	})
}

// A save that comes too late costs its neighbours a statement or two, not one each.
func TestALateSaveInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n = 40
		ctx := t.Context()
		rows := make([]driver.Row, n)
		var saves []func()
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
			saves = append(saves, func() {
				v, err := testbed.Save(ctx, tab.Store, rows[i], testbed.AnHour)
				if err == nil {
					rows[i].Version = v
				}
				if want := map[int]error{7: sessions.ErrConflict, 8: sessions.ErrConflict, 9: sessions.ErrNotFound}[i]; !errors.Is(err, want) {
					t.Errorf("save %d: %v, want %v", i, err, want)
				}
			})
		}
		_, err := testbed.Save(ctx, tab.Store, rows[7], testbed.AnHour)
		testbed.Check(t, err)
		rows[8].Version = 0
		testbed.Check(t, testbed.End(ctx, tab.Store, rows[9].ID))
		if statements := together(t, tab, saves...); statements > 6 { // half of them to ask and to prepare
			t.Errorf("%d saves took %d statements", n, statements)
		}
		before := rows[2] // there is no version 0, and so it is late
		together(t, tab, func() { _, _ = testbed.Save(ctx, tab.Store, rows[0], testbed.AnHour) }, func() {
			before.Version = 0
			if _, err := testbed.Save(ctx, tab.Store, before, testbed.AnHour); !errors.Is(err, sessions.ErrConflict) {
				t.Errorf("a save of version 0: %v", err)
			}
		}, func() {
			if _, err := testbed.Save(ctx, tab.Store, rows[3], testbed.AnHour); err != nil {
				t.Errorf("a save beside one of version 0: %v", err)
			}
		})
	})
}

// A locked row delays only the callers that want that row.
func TestAHeldRowInABatch(t *testing.T) {
	eachBatching(t, func(t *testing.T, tab *testbed.Table) {
		const n, held = 40, 7
		rows := make([]driver.Row, n)
		for i := range rows {
			rows[i] = testbed.Insert(t, tab.Store, testbed.NewRow(`{"n":1}`))
		}
		holder := &testbed.Table{Conns: tab.ConnectTo(t, tab.URL), Name: tab.Name}
		for what, call := range map[string]func(ctx context.Context, i int) error{
			"save": func(ctx context.Context, i int) error {
				_, err := testbed.Save(ctx, tab.Store, rows[i], testbed.AnHour)
				return err
			},
			"touch": func(ctx context.Context, i int) error {
				return testbed.Touch(ctx, tab.Store, rows[i].Ref, driver.Life{Idle: 2 * time.Hour})
			},
		} {
			release := hold(t, holder, rows[held].ID)
			var others sync.WaitGroup
			others.Add(n - 1)
			var calls []func()
			for i := range rows {
				calls = append(calls, func() {
					limit := 30 * time.Second
					if i == held {
						limit = 2 * time.Minute
					} else {
						defer others.Done()
					}
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					if err := call(ctx, i); err != nil {
						t.Errorf("%s %d: %v", what, i, err)
					}
				})
			}
			released := make(chan struct{})
			go func() {
				others.Wait()
				release()
				close(released)
			}()
			together(t, tab, calls...)
			<-released
			r, err := tab.Store.Load(t.Context(), rows[held].Ref)
			testbed.Check(t, err)
			if what == "save" && r.Version == rows[held].Version || what == "touch" && r.ExpiresIn < 90*time.Minute {
				t.Errorf("after its %s the held row is %+v", what, r)
			}
		}
	})
}
