package express_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// The ID follows from the session ID of Express. Statements compute it in SQL where they find
// a row by it, and the store computes it in Go.
func TestExpressIDs(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		sids := []string{"a", "A", "é", "😀", "ключ", `quo"te'\`, " ", "a ", strings.Repeat("s", 128), "%s"}
		for i := range 60 { // so that each hexadecimal digit is in each place
			sids = append(sids, fmt.Sprint("sid ", i))
		}
		var want []driver.ID
		for _, s := range sids {
			if c.Dialect == migrations.MySQL && strings.HasSuffix(s, " ") { // one like it without the space is taken
				continue
			}
			r := driver.Row{Ref: named(s), Data: []byte(`{"a":1}`)}
			testbed.Insert(t, f.store, r)
			want = append(want, r.ID)
			list, err := f.store.List(t.Context(), driver.ListRequest{ID: r.ID, Limit: 10})
			if err != nil || len(list) != 1 || list[0].Ref != r.Ref {
				t.Errorf("%.20q: listed %+v, %v", s, list, err)
			}
		}
		slices.Sort(want)
		var got []driver.ID
		for after := driver.ID(""); ; {
			page, err := f.store.List(t.Context(), driver.ListRequest{All: true, After: after, Limit: 10})
			testbed.Check(t, err)
			for _, r := range page {
				after = r.ID
				got = append(got, after)
			}
			if len(page) < 10 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed\n%v, want\n%v", got, want)
		}
		result, err := f.store.EndAll(t.Context(), driver.EndAllRequest{All: true, Except: want[10:], Limit: 1000})
		if err != nil || result.Ended != 10 {
			t.Errorf("ended %+v, %v; want 10", result, err)
		}
		for i, id := range want {
			if err := testbed.End(t.Context(), f.store, id); (err == nil) != (i >= 10) || i < 10 && !errors.Is(err, driver.ErrNotFound) {
				t.Errorf("end %s: %v", id, err)
			}
		}
		if n := f.count(t); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}
