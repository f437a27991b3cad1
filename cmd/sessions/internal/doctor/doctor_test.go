package doctor

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/product"
	"github.com/sqlsessions/sessions/migrations"
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
		{settled(judge(postgresRules, map[string]string{"server_encoding": "SQL_ASCII", "statement_timeout": "0"})), OK},
		{settled(judge(postgresRules, map[string]string{"server_encoding": "LATIN1", "statement_timeout": "1000"})), Warning},
		{settled(judge(postgresRules, map[string]string{"statement_timeout": "999"})), Note},
		{settled(judge(mysqlRules, map[string]string{"binlog_format": "MIXED", "in_predicate_conversion_threshold": "0"})), OK},
		{settled(judge(mysqlRules, map[string]string{"binlog_format": "STATEMENT"})), Warning},
		{settled(judge(mysqlRules, map[string]string{"in_predicate_conversion_threshold": "512"})), Warning},
		{skewed(2 * time.Second), OK},
		{skewed(-3 * time.Second), Note},
		{skewed(time.Hour), Warning},
		{c.backlog(countLimit-1, time.Second), OK},
		{c.backlog(countLimit, time.Second), Warning},
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

// The columns are read from the migrations: the same on each engine, and all of them.
func TestWanted(t *testing.T) {
	for dialect, last := range map[migrations.Dialect]string{
		migrations.PostgreSQL: "json", migrations.MySQL: "mediumtext character set utf8mb4", migrations.SQLite: "TEXT",
	} {
		to := &target.Target{Options: target.Options{Table: "sessions"}}
		to.Dialect = dialect
		c := &Conn{Target: to, engine: dialects[dialect](to)}
		var names []string
		for _, one := range c.wanted() {
			names = append(names, one.name)
			if one.name == "data" && (one.nullable || one.hasDefault || one.typ != last) || one.name == "id" && one.nullable || one.name == "label" && !one.nullable {
				t.Errorf("%s: %+v", dialect, one)
			}
			if one.hasDefault != (one.name == "format" || one.name == "pending") || one.presetValue() != "0" && one.hasDefault {
				t.Errorf("%s: %+v", dialect, one)
			}
		}
		if got := strings.Join(names, " "); got != "id version created_at absolute_expires_at expires_at seen_at reap_after authenticated_at verifier_at ended_at "+
			"keep_until previous_until format pending verifier previous_verifier user_id label ended_reason device_key extra data" {
			t.Errorf("%s: %s", dialect, got)
		}
	}
}

// Not all rows of a big table are counted.
func TestBigTable(t *testing.T) {
	defer func(before int) { countLimit = before }(countLimit)
	countLimit = 10
	to, err := target.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "big.db"), Table: "sessions", Timeout: time.Minute}.Open(t.Context(), target.Job{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer to.DB.Close()
	if _, err := to.Migrator.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	insert := func(n int, expiry time.Time, format int) {
		t.Helper()
		_, err := to.DB.ExecContext(t.Context(), `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?2)
			INSERT INTO sessions (id, data, version, created_at, seen_at, absolute_expires_at, expires_at, reap_after, format)
			SELECT randomblob(16), '{}', 1, ?1, ?1, ?1, ?1, ?1, ?3 FROM i`, expiry.UnixMilli(), n, format)
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(check, status, text string) {
		t.Helper()
		report, err := Run(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Check == check && f.Status == status && strings.HasPrefix(f.Text, text) }) {
			t.Errorf("no %s of %s with %q: %+v", status, check, text, report.Findings)
		}
		if _, err := to.DB.ExecContext(t.Context(), "PRAGMA query_only = 0; DELETE FROM sessions"); err != nil {
			t.Fatal(err)
		}
	}
	insert(11, time.Now().Add(time.Hour), 0)
	want("live", OK, "10 live sessions among the 10 newest rows")
	insert(11, time.Now().Add(time.Hour), 9)
	want("format", Warning, "10 live rows among the 10 newest rows written by a later version")
	insert(9, time.Now().Add(-time.Hour), 0)
	want("expired", OK, "9 expired rows, the oldest for 60 minutes")
	insert(11, time.Now().Add(-time.Hour), 0)
	want("expired", Warning, "at least 10 expired rows")
}
