package doctor

import (
	"testing"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/product"
)

// What no SQLite file can have.
func TestJudgements(t *testing.T) {
	c := &Conn{Target: &target.Target{}, engine: newSQLite(&target.Target{})}
	for i, test := range []struct {
		found []Finding
		want  string
	}{
		{supported(product.PostgreSQL("PostgreSQL 13.22", "13.22")), Error},
		{supported(product.MySQL("8.0.11-TiDB-v7.5.0", "TiDB Server")), Warning},
		{writable("it is a standby"), Error},
		{isolated(mysql, "REPEATABLE-READ"), OK},
		{isolated(mysql, "READ-COMMITTED"), OK},
		{isolated(postgres, "serializable"), Note},
		{isolated(postgres, "repeatable read"), Note},
		{galera("0"), Warning},
		{galera("1"), Warning},
		{galera("2"), Warning},
		{galera("3"), OK},
		{galera("15"), OK},
		{skewed(2 * time.Second), OK},
		{skewed(-3 * time.Second), Note},
		{skewed(time.Hour), Warning},
		{[]Finding{c.backlog(countLimit, time.Second)}, OK},
		{[]Finding{c.backlog(countLimit+1, time.Second)}, Warning},
		{c.granted(nil, true), OK},
		{c.granted([]string{"INSERT", "UPDATE"}, true), Note},
		{c.granted([]string{"INSERT", "UPDATE"}, false), Error},
		{c.granted([]string{"INSERT", "DELETE"}, true), Error},
		{c.granted([]string{"UPDATE"}, true), Error},
	} {
		if len(test.found) != 1 || test.found[0].Status != test.want || (test.found[0].Advice == "") != (test.want == OK) {
			t.Errorf("%d: want %s: %+v", i, test.want, test.found)
		}
	}
}

// A name is one check's on each engine, and each check can run somewhere.
func TestChecksHaveNames(t *testing.T) {
	seen := map[string]engines{}
	for _, check := range checks {
		if check.Name == "" || check.Engines == 0 || check.Run == nil || seen[check.Name]&check.Engines != 0 {
			t.Errorf("%+v", check)
		}
		seen[check.Name] |= check.Engines
	}
}

func TestAmounts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Second: "90 seconds", 90 * time.Minute: "90 minutes",
		47 * time.Hour: "47 hours", 73 * time.Hour: "3 days",
	} {
		if got := age(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for n, want := range map[int64]string{0: "0.0 KiB", 1536: "1.5 KiB", 3 << 20: "3.0 MiB"} {
		if got := size(n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
