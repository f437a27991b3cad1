package express_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// Tables that would lose sessions or mix them up.
func TestExpressOpenRefuses(t *testing.T) {
	const upper, lower = "COLLATE utf8mb4_bin NOT NULL", "COLLATE utf8mb4_general_ci NOT NULL"
	for name, c := range map[string]struct {
		backend int
		changes []string
		want    string
	}{
		"pgsimple no column":    {testbed.Postgres, []string{`"sess" json NOT NULL,`, ""}, `column sess of table "$TABLE" is of type ""`},
		"pgsimple bytea":        {testbed.Postgres, []string{`json`, "bytea"}, `column sess of table "$TABLE" is of type "bytea"`},
		"pgsimple date":         {testbed.Postgres, []string{`timestamp(6)`, "date"}, `column expire of table "$TABLE" is of type "date"`},
		"pgsimple char":         {testbed.Postgres, []string{`varchar`, "char(32)"}, `column sid of table "$TABLE" is of type "bpchar"`},
		"pgsimple primary key":  {testbed.Postgres, []string{`PRIMARY KEY ("sid")`, `PRIMARY KEY ("sid", "expire")`}, "no primary key on sid"},
		"pgsimple partial":      {testbed.Postgres, []string{`ALTER TABLE "$TABLE" ADD CONSTRAINT "$TABLE_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE`, `CREATE UNIQUE INDEX ON "$TABLE" (sid) WHERE sid <> ''`}, "no primary key on sid"},
		"mysqlsession column":   {testbed.MySQL, []string{"`data` mediumtext COLLATE utf8mb4_bin,", ""}, "column data of table `$TABLE` is of type \"\""},
		"mysqlsession blob":     {testbed.MySQL, []string{"mediumtext COLLATE utf8mb4_bin", "longblob"}, "column data of table `$TABLE` is of type \"longblob\""},
		"mysqlsession latin1":   {testbed.MySQL, []string{"mediumtext COLLATE utf8mb4_bin", "mediumtext CHARACTER SET latin1"}, "has the character set latin1"},
		"mysqlsession small":    {testbed.MySQL, []string{"int(11)", "smallint"}, "column expires of table `$TABLE` is of type \"smallint\""},
		"mysqlsession datetime": {testbed.MySQL, []string{"int(11) unsigned", "datetime"}, "column expires of table `$TABLE` is of type \"datetime\""},
		"mysqlsession case":     {testbed.MySQL, []string{upper, lower}, "takes different ids for the same, with the collation utf8mb4_general_ci"},
		"mysqlsession primary":  {testbed.MySQL, []string{"PRIMARY KEY (`session_id`)", "KEY (`session_id`)"}, "column session_id of table `$TABLE` is not the primary key"},
		"mysqlsession prefix":   {testbed.MySQL, []string{"PRIMARY KEY (`session_id`)", "PRIMARY KEY (`session_id`(20))"}, "column session_id of table `$TABLE` is not the primary key"},
		"mysqlsession char":     {testbed.MySQL, []string{"varchar(128)", "char(128)"}, "column session_id of table `$TABLE` is of type \"char\""},
	} {
		t.Run(name, func(t *testing.T) {
			f := foreignTable(t, testbed.Backends[c.backend].Connect(t), c.changes...)
			_, err := f.open(t)
			if want := strings.ReplaceAll(c.want, "$TABLE", f.name); !errors.Is(err, sessions.ErrSchema) || !strings.Contains(err.Error(), want) {
				t.Errorf("opened with %v; want %s", err, want)
			}
		})
	}
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := &foreign{Conns: c, name: "no-such-table", log: &testbed.LockedBuffer{}}
		if _, err := f.open(t); !errors.Is(err, sessions.ErrSchema) || !strings.Contains(err.Error(), "the Express application makes it") {
			t.Errorf("opened no table: %v", err)
		}
		for _, name := range []string{"a b", `a"b`, "a`b", "a.b", strings.Repeat("n", 65)} {
			f.name = name
			if _, err := f.open(t); !errors.Is(err, sessions.ErrInvalid) {
				t.Errorf("opened %q: %v", name, err)
			}
		}
	})
	t.Run("pgsimple collation", func(t *testing.T) {
		c := testbed.Backends[testbed.Postgres].Connect(t)
		_, err := c.DB.ExecContext(t.Context(), `CREATE COLLATION express_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
		testbed.Check(t, err)
		t.Cleanup(func() { _, _ = c.DB.Exec("DROP COLLATION express_ci") })
		f := foreignTable(t, c, `COLLATE "default"`, `COLLATE express_ci`)
		if _, err := f.open(t); !errors.Is(err, sessions.ErrSchema) || !strings.Contains(err.Error(), "takes some different ids for the same") {
			t.Errorf("opened with %v", err)
		}
		f.run(t, "DROP TABLE $TABLE") // before the collation
	})
	t.Run("pgsimple encoding", func(t *testing.T) {
		f := foreignTable(t, testbed.Backends[testbed.Postgres].Connect(t))
		_, err := f.open(t, f.ConnectTo(t, testbed.WithParameters(testbed.PostgresURL, "client_encoding=LATIN1")))
		if testbed.PostgresPooler.Name == "" && (err == nil || !strings.Contains(err.Error(), "client_encoding is LATIN1")) {
			t.Errorf("opened with %v", err)
		}
	})
	t.Run("mysqlsession autocommit", func(t *testing.T) {
		f := foreignTable(t, testbed.Backends[testbed.MySQL].Connect(t))
		_, err := f.open(t, f.ConnectTo(t, testbed.WithParameters(testbed.MySQLURL, "autocommit=0")))
		if err == nil || !strings.Contains(err.Error(), "autocommit is off") {
			t.Errorf("opened with %v", err)
		}
	})
}

// Every statement quotes names that need it, also in another schema.
func TestExpressCustomNames(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		quote, ddl := `"`, strings.NewReplacer(`"sid"`, `"id"`, `"sess"`, `"Sess$1"`, `"expire"`, `"ex-pired"`).Replace(pgsimpleDDL)
		if c.Dialect == migrations.MySQL {
			quote, ddl = "`", mysqlsessionDDL+`; CREATE INDEX "Expires-At" ON "$TABLE" ("Ex-pires")`
			ddl = strings.NewReplacer("session_id", "Session$ID", "expires", "Ex-pires", "data", "{data}").Replace(ddl)
			ddl = strings.ReplaceAll(ddl, "{data}", "Data1")
		}
		schema, table := "Express-"+c.Name, "User-$Sessions$1"
		_, err := c.DB.ExecContext(t.Context(), "CREATE SCHEMA "+quote+schema+quote)
		testbed.Check(t, err)
		t.Cleanup(func() {
			if c.Dialect == migrations.PostgreSQL {
				_, _ = c.DB.Exec(`DROP TABLE "` + schema + `"."` + table + `"`)
			}
			_, _ = c.DB.Exec("DROP SCHEMA " + quote + schema + quote)
		})
		ddl = strings.ReplaceAll(strings.ReplaceAll(ddl, `"`, quote), quote+"$TABLE"+quote, quote+schema+quote+"."+quote+table+quote)
		for statement := range strings.SplitSeq(strings.ReplaceAll(ddl, "$TABLE", "x"), ";") {
			_, err := c.DB.ExecContext(t.Context(), statement)
			testbed.Check(t, err)
		}
		log := &testbed.LockedBuffer{}
		logger := slog.New(slog.NewTextHandler(log, nil))
		var s sessions.Store
		if c.Dialect == migrations.PostgreSQL {
			s, err = pgsimple.Open(t.Context(), c.DB, pgsimple.Options{
				Schema: schema, Table: table, SID: "id", Sess: "Sess$1", Expire: "ex-pired", Logger: logger,
			})
		} else {
			s, err = mysqlsession.Open(t.Context(), c.DB, mysqlsession.Options{
				Schema: schema, Table: table, SessionID: "Session$ID", Expires: "Ex-pires", Data: "Data1", Logger: logger,
			})
		}
		testbed.Check(t, err)
		if strings.Contains(log.String(), "no index") {
			t.Errorf("warned %q", log.String())
		}
		everyStatement(t, s)
	})
}

// everyStatement calls each method of a store on an empty table.
func everyStatement(t *testing.T, s sessions.Store) {
	t.Helper()
	ctx := t.Context()
	one, two := expressRow(), expressRow()
	one.User, two.User = "alice", "bob"
	r := testbed.Insert(t, s, one)
	testbed.Insert(t, s, two)
	r.Data = []byte(`{"b":2}`)
	var err error
	r.Version, err = testbed.Save(ctx, s, r, testbed.Day)
	testbed.Check(t, err)
	testbed.Check(t, testbed.Touch(ctx, s, r.Ref, testbed.Day))
	to := named(sid())
	_, err = testbed.Renew(ctx, s, r, to.Verifier, testbed.Day)
	testbed.Check(t, err)
	_, err = s.Load(ctx, to)
	testbed.Check(t, err)
	alices, err := s.List(ctx, driver.ListRequest{User: "alice", Limit: 10})
	testbed.Check(t, err)
	bobs, err := s.List(ctx, driver.ListRequest{ID: two.ID, Limit: 10})
	testbed.Check(t, err)
	all, err := s.List(ctx, driver.ListRequest{All: true, Limit: 10})
	testbed.Check(t, err)
	testbed.Check(t, testbed.End(ctx, s, to.ID))
	ended, err := testbed.EndUser(ctx, s, "bob")
	testbed.Check(t, err)
	_, err = testbed.Create(ctx, s, two, driver.Life{Idle: -time.Minute, Absolute: time.Hour})
	testbed.Check(t, err)
	live, dead, err := testbed.Count(ctx, s)
	testbed.Check(t, err)
	deleted, err := testbed.Reap(ctx, s, 10)
	testbed.Check(t, err)
	testbed.Insert(t, s, one)
	testbed.Insert(t, s, two)
	testbed.Check(t, s.End(ctx, driver.EndRequest{ID: one.ID, Verifier: one.Verifier}))
	rest, err := s.EndAll(ctx, driver.EndAllRequest{All: true, Limit: 10})
	testbed.Check(t, err)
	if got := fmt.Sprint(len(alices), len(bobs), len(all), ended, live, dead, deleted, rest.Ended); got != "1 1 2 1 0 1 1 1" {
		t.Errorf("counted %s", got)
	}
}
