package express_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/storetest"
)

// The tables as connect-pg-simple 10.0.0 and express-mysql-session 3.0.3 make them, but for the names.
const (
	pgsimpleDDL = `CREATE TABLE "$TABLE" (
  "sid" varchar NOT NULL COLLATE "default",
  "sess" json NOT NULL,
  "expire" timestamp(6) NOT NULL
)
WITH (OIDS=FALSE);
ALTER TABLE "$TABLE" ADD CONSTRAINT "$TABLE_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE;
CREATE INDEX "IDX_$TABLE_expire" ON "$TABLE" ("expire")`

	mysqlsessionDDL = "CREATE TABLE IF NOT EXISTS `$TABLE` (\n" +
		"  `session_id` varchar(128) COLLATE utf8mb4_bin NOT NULL,\n" +
		"  `expires` int(11) unsigned NOT NULL,\n" +
		"  `data` mediumtext COLLATE utf8mb4_bin,\n" +
		"  PRIMARY KEY (`session_id`)\n" +
		") ENGINE=InnoDB"
)

// A foreign is a table of an Express application.
type foreign struct {
	*testbed.Conns
	name  string
	log   *testbed.LockedBuffer // what Open warned of
	store sessions.Store
}

// foreignTable makes a table by upstream's statements, with pairs of what is to be
// another text in them.
func foreignTable(t *testing.T, c *testbed.Conns, changes ...string) *foreign {
	t.Helper()
	var random [6]byte
	_, _ = rand.Read(random[:])
	f := &foreign{Conns: c, name: "x_" + hex.EncodeToString(random[:]), log: &testbed.LockedBuffer{}}
	ddl := mysqlsessionDDL
	if c.Dialect == migrations.PostgreSQL {
		ddl = pgsimpleDDL
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(ddl, changes[i]) {
			t.Fatalf("there is no %q to change", changes[i])
		}
		ddl = strings.ReplaceAll(ddl, changes[i], changes[i+1])
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = c.DB.ExecContext(ctx, "DROP TABLE "+f.name)
	})
	for statement := range strings.SplitSeq(strings.ReplaceAll(ddl, "$TABLE", f.name), ";\n") {
		f.run(t, statement)
	}
	return f
}

func (f *foreign) run(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := f.DB.ExecContext(t.Context(), strings.ReplaceAll(statement, "$TABLE", f.name), args...)
	testbed.Check(t, err)
}

// open opens the store on the table, through other connections if there are some.
func (f *foreign) open(t *testing.T, through ...*testbed.Conns) (s sessions.Store, err error) {
	t.Helper()
	c := f.Conns
	if len(through) > 0 {
		c = through[0]
	}
	log := slog.New(slog.NewTextHandler(f.log, nil))
	if f.Dialect == migrations.PostgreSQL {
		return pgsimple.Open(t.Context(), c.DB, pgsimple.Options{Table: f.name, Logger: log})
	}
	return mysqlsession.Open(t.Context(), c.DB, mysqlsession.Options{Table: f.name, Logger: log})
}

// opened is the table with a store on it.
func (f *foreign) opened(t *testing.T, through ...*testbed.Conns) *foreign {
	t.Helper()
	var err error
	f.store, err = f.open(t, through...)
	testbed.Check(t, err)
	return f
}

// eachExpress runs a test on each way to the two kinds of table.
func eachExpress(t *testing.T, test func(t *testing.T, c *testbed.Conns)) {
	t.Helper()
	for _, b := range testbed.Backends {
		if b.Dialect != migrations.SQLite && b.Name != "pgxpool" {
			t.Run(b.Name, func(t *testing.T) { test(t, b.Connect(t)) })
		}
	}
}

func (f *foreign) age(t testing.TB, d time.Duration) {
	t.Helper()
	statement := fmt.Sprintf("UPDATE %s SET expires = expires - %d", f.name, d/time.Second)
	if f.Dialect == migrations.PostgreSQL {
		statement = fmt.Sprintf("UPDATE %s SET expire = expire - interval '%d seconds'", f.name, d/time.Second)
	}
	_, err := f.DB.ExecContext(t.Context(), statement)
	testbed.Check(t, err)
}

// expressLacks are the parts of the contract that upstream's tables have no room for.
var expressLacks = map[string]string{
	"create never takes an ID that is taken":                                 idsFollow,
	"IDs can be chosen, and are listed in the order of their bytes":          idsFollow,
	"a new verifier does not change the ID":                                  idsFollow,
	"end ends a row, whatever its verifier is by then":                       idsFollow,
	"end ends the row, whatever verifier it gets at the same time":           idsFollow,
	"a row can't have a verifier that is not a SHA-256":                      "a verifier is a session ID of Express",
	"verifiers can be any bytes":                                             "session IDs are text",
	"saving the same data again changes the version":                         versionsFollow,
	"no two states have the same version":                                    versionsFollow,
	"a version is not a counter, so a lost write can be told from another's": versionsFollow,
	"an expiry is exact":                                                     "expiries are rounded to seconds, as upstream does",
	"the absolute limit does not move":                                       noLimit,
	"save stops at the absolute limit":                                       noLimit,
	"touch stops at the absolute limit":                                      noLimit,
	"save restarts the absolute limit when it is given one":                  noLimit,
	"the creation time does not change":                                      "there is no time of creation",
	"the authentication time is set by create and save alone":                "there is no time of authentication",
	"save replaces the label":                                                noLabels,
	"labels are compared byte by byte":                                       noLabels,
	"list and end by label go in pages":                                      noLabels,
	"order":                                                                  "rows are ended in the order in which they are found, and have no times to list them by",
	"kept endings":                                                           noEndings,
	"kept rows":                                                              noEndings,
	"marks":                                                                  noEndings,
	"replaced verifiers":                                                     idsFollow,
	"grace":                                                                  "there is no place for another verifier",
	"pending":                                                                "there is no place to say that a row is pending",
	"last seen":                                                              "there is no time of the last use",
}

const (
	noEndings      = "a row that ended is not there any more"
	idsFollow      = "IDs follow from the session IDs of Express"
	versionsFollow = "there is no counter: a version is a digest of the text"
	noLimit        = "there is no absolute limit"
	noLabels       = "there are no labels"
)

func sid() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// named is how the stores refer to the row with this sid: its ID is the beginning
// of the sid's SHA-256 as a UUID of version 8.
func named(sid string) driver.Ref {
	sum := sha256.Sum256([]byte(sid))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	id := strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	return driver.Ref{ID: driver.ID(id), Verifier: driver.Verifier(sid)}
}

// expressRow returns one that no store has yet.
func expressRow() driver.Row { return driver.Row{Ref: named(sid()), Data: []byte(`{"a":1}`)} }

// runExpressSuite runs the suite on tables that c makes and through reaches.
func runExpressSuite(t *testing.T, c, through *testbed.Conns, role string, lacks map[string]string, changes ...string) {
	t.Helper()
	tables := map[sessions.Store]*foreign{}
	all := maps.Clone(expressLacks)
	maps.Copy(all, lacks)
	storetest.Run(t, storetest.Harness{
		New: func(t *testing.T) sessions.Store {
			f := foreignTable(t, c, changes...)
			if role != "" {
				f.run(t, fmt.Sprintf(testbed.GrantRuntime, f.name, role))
			}
			f.opened(t, through)
			tables[f.store] = f
			return f.store
		},
		Age: func(t *testing.T, s sessions.Store, d time.Duration) { tables[s].age(t, d) },
		Again: func(t *testing.T, s sessions.Store) sessions.Store {
			f := *tables[s]
			f.opened(t, through.ConnectSized(t, through.URL, 8))
			return f.store
		},
		Break: func(t *testing.T, s sessions.Store) {
			through.Close()
			t.Cleanup(func() { through.Open(t, through) })
		},
		Ref:   func() driver.Ref { return named(sid()) },
		Lacks: all,
	})
}

// The conformance suite, on upstream's tables as they are and as people have them.
func TestExpressStore(t *testing.T) {
	reordered := map[string]string{"data comes back byte for byte": "the type of the column keeps no text"}
	for name, variant := range map[string]struct {
		backend    int
		parameters string
		lacks      map[string]string
		changes    []string
	}{
		"pgsimple":                 {backend: 1},
		"pgsimple exec":            {backend: 1, parameters: "default_query_exec_mode=exec"},
		"pgsimple simple_protocol": {backend: 1, parameters: "default_query_exec_mode=simple_protocol"},
		"pgsimple libpq":           {backend: 4},
		"pgsimple libpq binary":    {backend: 4, parameters: "binary_parameters=yes"},
		"pgsimple jsonb":           {backend: 1, lacks: reordered, changes: []string{" json ", " jsonb "}},
		"pgsimple text":            {backend: 4, changes: []string{" json ", " text ", "timestamp(6)", "timestamptz", " varchar ", " varchar(255) "}},

		"mysqlsession":            {backend: testbed.MySQL},
		"mysqlsession parameters": {backend: testbed.MySQL, parameters: "interpolateParams=true&clientFoundRows=true&time_zone=%27%2B05%3A45%27"},
		"mysqlsession sql_mode":   {backend: testbed.MySQL, parameters: testbed.Escaped("sql_mode='ANSI,NO_UNSIGNED_SUBTRACTION'&charset=latin1&div_precision_increment=0")},
		"mysqlsession limit":      {backend: testbed.MySQL, parameters: "sql_select_limit=1"},
		"mysqlsession no limit":   {backend: testbed.MySQL, parameters: "sql_select_limit=0&sql_safe_updates=0"},
		"mysqlsession bigint":     {backend: testbed.MySQL, changes: []string{"int(11) unsigned", "bigint", "varchar(128) COLLATE utf8mb4_bin", "varbinary(255)", "mediumtext", "longtext"}},
		"mysqlsession utf8mb3":    {backend: testbed.MySQL, changes: []string{"int(11) unsigned", "int", "varchar(128) COLLATE utf8mb4_bin", "varchar(255) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin"}},
		"mysqlsession JSON":       {backend: testbed.MySQL, lacks: reordered, changes: []string{"mediumtext COLLATE utf8mb4_bin", "json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testbed.PostgresURL
			if variant.backend == testbed.MySQL {
				url = testbed.MySQLURL
			}
			lacks := map[string]string{}
			if variant.backend != testbed.MySQL || !testbed.MariaDB(t) { // its JSON is text with a check
				maps.Copy(lacks, variant.lacks)
			}
			if variant.parameters != "" {
				url = testbed.WithParameters(url, variant.parameters)
			}
			if variant.parameters != "" || variant.changes != nil {
				testbed.LackRaces(lacks)
			}
			c := testbed.Backends[variant.backend].ConnectTo(t, url)
			runExpressSuite(t, c, c, "", lacks, variant.changes...)
		})
	}
}

// The column without a time zone, in a zone that has half hours and changes its clocks,
// under a role that can do nothing but what docs/operations.md grants.
func TestExpressStoreAsARole(t *testing.T) {
	t.Run("pgsimple", func(t *testing.T) {
		admin := testbed.Backends[testbed.Postgres].Connect(t)
		runExpressSuite(t, admin, roleIn(t, admin, "express_st_johns", "America/St_Johns"), "express_st_johns", nil)
	})
	t.Run("mysqlsession", func(t *testing.T) {
		admin := testbed.Backends[testbed.MySQL].Connect(t)
		runExpressSuite(t, admin, admin.Role(t, "express_runtime"), "express_runtime", nil)
	})
}

// roleIn is a role with a time zone of its own, and connections as it.
func roleIn(t *testing.T, c *testbed.Conns, name, zone string) *testbed.Conns {
	t.Helper()
	// The zone has to be there before the first connection.
	role := c.Role(t, name)
	_, err := c.DB.ExecContext(t.Context(), fmt.Sprintf("ALTER ROLE %s SET TimeZone = '%s'", name, zone))
	testbed.Check(t, err)
	return role
}
