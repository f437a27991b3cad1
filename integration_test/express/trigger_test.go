package express_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// Saves and touches find their row on a table of Express with a trigger for updates.
func TestExpressMySQLTriggerForUpdates(t *testing.T) {
	c := testbed.Backends[testbed.MySQL].Connect(t)
	f := foreignTable(t, c).opened(t, c)
	f.run(t, "CREATE TABLE "+f.name+"_audit (id INT AUTO_INCREMENT PRIMARY KEY)")
	t.Cleanup(func() { _, _ = c.DB.ExecContext(context.Background(), "DROP TABLE "+f.name+"_audit") })
	f.run(t, "CREATE TRIGGER "+f.name+"_audits BEFORE UPDATE ON "+f.name+" FOR EACH ROW INSERT INTO "+f.name+"_audit VALUES ()")
	ctx, ref, hour := t.Context(), named(sid()), driver.Life{Idle: time.Hour}
	result, err := f.store.Create(ctx, driver.CreateRequest{Ref: ref, Data: []byte(`{"n":1}`), Life: hour})
	testbed.Check(t, err)
	save := driver.SaveRequest{From: ref, Version: result.Version, Verifier: ref.Verifier, Data: []byte(`{"n":2}`), Life: hour}
	saved, err := f.store.Save(ctx, save)
	if err != nil {
		t.Errorf("save: %v", err)
	}
	again := save
	again.Version = saved.Version
	for range 5 { // of which most come in the same second, and change nothing
		if _, err := f.store.Save(ctx, again); err != nil {
			t.Errorf("save of the same: %v", err)
		}
	}
	for _, life := range []driver.Life{{Idle: 2 * time.Hour}, {Idle: 2 * time.Hour, Throttle: time.Minute}} { // due, and not
		if _, err := f.store.Touch(ctx, driver.TouchRequest{Ref: ref, Life: life}); err != nil {
			t.Errorf("touch with a throttle of %v: %v", life.Throttle, err)
		}
		if _, err := f.store.Touch(ctx, driver.TouchRequest{Ref: named(sid()), Life: life}); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("touch of no row: %v", err)
		}
	}
	if _, err := f.store.Save(ctx, save); !errors.Is(err, driver.ErrConflict) {
		t.Errorf("save of a version that was replaced: %v", err)
	}
}
