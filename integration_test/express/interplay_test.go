package express_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

func TestExpressReadsWhatGoWrites(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		r := expressRow()
		r.User, r.Data = "alice", []byte(`{`+expressCookie+`,"z":1,"a":"é😀\u0000"}`)
		want := strings.TrimSuffix(string(r.Data), "}") + `,"$user":"alice"}`
		_, err := testbed.Create(t.Context(), f.store, r, testbed.Day)
		testbed.Check(t, err)
		if got, ok := f.get(t, string(r.Verifier)); !ok || got != want {
			t.Errorf("upstream reads %s, %v; want %s", got, ok, want)
		}
		// Rounded as upstream does, by each of the statements: of ten tenths of a second some tell.
		written := func(doing string, sid driver.Verifier, idle time.Duration, write func() error) {
			t.Helper()
			before := f.now(t)
			testbed.Check(t, write())
			after := f.now(t)
			if got := f.expiry(t, string(sid)); got < float64(f.rounded(before+idle.Seconds())) || got > float64(f.rounded(after+idle.Seconds())) {
				t.Errorf("%s between %f and %f for %v: it expires at %f", doing, before, after, idle, got)
			}
		}
		for i := range 10 {
			idle := 10*time.Hour + time.Duration(i)*2100*time.Millisecond
			written("touch", r.Verifier, idle, func() error {
				return testbed.Touch(t.Context(), f.store, r.Ref, driver.Life{Idle: idle})
			})
			saves := func(doing string, to driver.Ref, idle time.Duration) {
				t.Helper()
				live, err := f.store.Load(t.Context(), r.Ref)
				testbed.Check(t, err)
				written(doing, to.Verifier, idle, func() error {
					_, err := testbed.Renew(t.Context(), f.store, live, to.Verifier, driver.Life{Idle: idle})
					return err
				})
			}
			idle -= 9*time.Hour + time.Duration(i)*4100*time.Millisecond
			saves("save", r.Ref, idle)
			idle -= time.Minute
			to := named(sid())
			saves("save with another sid", to, idle-time.Minute)
			r.Ref = to
			fresh := expressRow()
			written("create", fresh.Verifier, idle, func() error {
				_, err := testbed.Create(t.Context(), f.store, fresh, driver.Life{Idle: idle, Absolute: 100 * time.Hour})
				return err
			})
		}
		if got, ok := f.get(t, string(r.Verifier)); !ok || got != want {
			t.Errorf("upstream reads %s, %v in the end; want %s", got, ok, want)
		}
	})
}

func TestGoReadsWhatExpressWrites(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		ref := named(sid())
		id := string(ref.Verifier)
		load := func(text string) driver.Row {
			t.Helper()
			r, err := f.store.Load(t.Context(), ref)
			testbed.Check(t, err)
			if r.Ref != ref || r.User != "" || r.Label != "" || string(r.Data) != text || r.AbsoluteIn < 200*365*24*time.Hour ||
				!r.CreatedAt.IsZero() || !r.AuthenticatedAt.IsZero() {
				t.Errorf("loaded %+v with %s, want %s", r, r.Data, text)
			}
			return r
		}
		one, two := `{`+expressCookie+`, "n":9007199254740993}`, `{`+expressCookie+`,"n":2}`
		f.set(t, id, one, time.Hour)
		first := load(one)
		if d := first.ExpiresIn; d < 59*time.Minute || d > time.Hour+time.Second {
			t.Errorf("expires in %v", d)
		}
		f.node(t, "touch", f.rounded(f.now(t)+7200), id)
		touched := load(one)
		if d := touched.ExpiresIn; touched.Version != first.Version || d < 119*time.Minute {
			t.Errorf("after upstream's touch version %d, was %d; expires in %v", touched.Version, first.Version, d)
		}

		f.set(t, id, two, time.Hour)
		lost := first
		lost.Data = []byte(`{"lost":true}`)
		if _, err := testbed.Save(t.Context(), f.store, lost, testbed.AnHour); !errors.Is(err, sessions.ErrConflict) {
			t.Errorf("over what upstream saved meanwhile: %v", err)
		}
		second := load(two)
		second.Data = []byte(one)
		v, err := testbed.Save(t.Context(), f.store, second, testbed.AnHour)
		testbed.Check(t, err)
		if got := load(one); got.Version != v || v != first.Version {
			t.Errorf("version %d, saved as %d; the same text was version %d", got.Version, v, first.Version)
		}

		f.node(t, "destroy", id)
		second.Version = v
		_, saved := testbed.Save(t.Context(), f.store, second, testbed.AnHour)
		for _, err := range []error{saved, testbed.Touch(t.Context(), f.store, ref, testbed.AnHour)} {
			if !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("after upstream's destroy: %v", err)
			}
		}
		if _, ok := f.get(t, id); ok {
			t.Error("the session came back")
		}
	})
}

// Both sides agree, at every moment, on whether a session lives, and neither's
// cleaning takes what the other still reads.
func TestExpressAndGoExpireTogether(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		id := sid()
		f.set(t, id, `{`+expressCookie+`}`, 2*time.Second)
		deadline := time.Now().Add(time.Minute)
		for compared := 0; ; {
			_, before := f.get(t, id)
			_, err := f.store.Load(t.Context(), named(id))
			live, dead, statsErr := testbed.Count(t.Context(), f.store)
			_, after := f.get(t, id)
			testbed.Check(t, statsErr)
			if err != nil && !errors.Is(err, sessions.ErrNotFound) {
				t.Fatal(err)
			}
			if before == after {
				compared++
				if got := []bool{err == nil, live == 1, dead == 0}; fmt.Sprint(got) != fmt.Sprint([]bool{before, before, before}) {
					t.Fatalf("upstream finds it: %v; loaded, counted as live, not counted as dead: %v", before, got)
				}
			}
			if !after {
				if compared < 3 {
					t.Errorf("compared %d times", compared)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it did not expire")
			}
		}
		live := testbed.Insert(t, f.store, expressRow())
		f.node(t, "prune", f.rounded(f.now(t)))
		if _, n, err := testbed.Count(t.Context(), f.store); n != 0 || err != nil {
			t.Errorf("upstream's pruning left %d, %v", n, err)
		}
		f.set(t, id, `{}`, -time.Second)
		if n, err := testbed.Reap(t.Context(), f.store, 10); n != 1 || err != nil {
			t.Errorf("deleted %d expired, %v", n, err)
		}
		if _, err := f.store.Load(t.Context(), live.Ref); err != nil {
			t.Error(err)
		}
	})
}

// No index, as before connect-pg-simple 6.1 and in every table of express-mysql-session.
func TestExpressCleanupWithoutAnIndex(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		var changes []string
		if c.Dialect == migrations.PostgreSQL {
			changes = []string{";\nCREATE INDEX \"IDX_$TABLE_expire\" ON \"$TABLE\" (\"expire\")", ""}
		}
		f := foreignTable(t, c, changes...).opened(t)
		if !strings.Contains(f.log.String(), "no index on the expiry") {
			t.Errorf("no warning, but %q", f.log.String())
		}
		for i := range 20 {
			f.set(t, sid(), `{}`, time.Duration(i%2*2-1)*time.Hour)
		}
		held := sid()
		f.set(t, held, `{}`, -time.Hour)
		tx, err := f.DB.BeginTx(t.Context(), nil)
		testbed.Check(t, err)
		defer func() { _ = tx.Rollback() }()
		_, err = tx.ExecContext(t.Context(), f.upstream("touch"), f.rounded(f.now(t)-3600+1), held)
		testbed.Check(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it waits for no lock
		defer cancel()
		for _, want := range []int{7, 3, 0} {
			if n, err := testbed.Reap(ctx, f.store, 7); n != want || err != nil {
				t.Errorf("deleted %d, %v; want %d", n, err, want)
			}
		}
		testbed.Check(t, tx.Rollback())
		if n, err := testbed.Reap(t.Context(), f.store, 7); n != 1 || err != nil {
			t.Errorf("deleted %d, %v, once nobody held it", n, err)
		}
		if n, _, err := testbed.Count(t.Context(), f.store); n != 10 || err != nil {
			t.Errorf("%d live, %v", n, err)
		}
	})
}
