package torture_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A site is a world whose nodes take over the sessions of an Express application.
type site struct {
	*world
	fraud  fraud
	table  string // Express's
	shared driver.Store
	movers []*mover // that clients can ask
	copier *mover   // imports
	visits sync.Map // *visit by its number
	last   sync.Map // what a broken store returned last
}

// A mover is a node with a manager for each value of ImportedOnly, of which one is in use.
type mover struct {
	*node
	site     *site
	managers map[bool]*sessions.Manager
	handler  atomic.Pointer[http.Handler]
}

// expressDDL makes the table of Express as upstream does.
var expressDDL = map[migrations.Dialect]string{
	migrations.PostgreSQL: `
CREATE TABLE $TABLE (
  sid varchar NOT NULL COLLATE "default" PRIMARY KEY,
  sess json NOT NULL,
  expire timestamp(6) NOT NULL
)`,
	migrations.MySQL: `
CREATE TABLE $TABLE (
  session_id varchar(128) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
  expires int(11) unsigned NOT NULL,
  data mediumtext COLLATE utf8mb4_bin,
  KEY (expires)
) ENGINE=InnoDB`,
}

func newSite(t *testing.T, backends []int, f fraud) *site {
	t.Helper()
	w := &world{T: t, setup: setup{backends: backends, faults: !f.calm, timeout: time.Second}, log: &watchedLog{t: t}}
	if f.calm {
		w.timeout = 10 * time.Second
	}
	w.admin = testbed.Backends[backends[0]].NewTable(t)
	s := &site{world: w, fraud: f, table: w.admin.Name + "_express"}
	_, err := w.admin.DB.ExecContext(t.Context(), strings.ReplaceAll(expressDDL[w.admin.Dialect], "$TABLE", s.table))
	testbed.Check(t, err)
	t.Cleanup(func() { _, _ = w.admin.DB.ExecContext(context.Background(), "DROP TABLE "+s.table) })
	s.shared = s.openOld(w.admin.Conns)
	for i, b := range backends {
		s.movers = append(s.movers, s.newMover(i, testbed.Backends[b]))
	}
	s.copier = s.movers[len(backends)-1]
	s.movers = s.movers[:len(backends)-1]
	s.recover() // so that the first trip does not wait for connections
	return s
}

func (s *site) openOld(c *testbed.Conns) (old driver.Store) {
	s.Helper()
	var err error
	log := slog.New(slog.NewTextHandler(s.log, nil))
	if c.Dialect == migrations.PostgreSQL {
		old, err = pgsimple.Open(s.Context(), c.DB, pgsimple.Options{Table: s.table, Logger: log})
	} else {
		old, err = mysqlsession.Open(s.Context(), c.DB, mysqlsession.Options{Table: s.table, Logger: log})
	}
	testbed.Check(s, err)
	return old
}

// until is the same for all managers, as it has to be.
var until = time.Now().Add(48 * time.Hour)

func (s *site) newMover(i int, b testbed.Backend) *mover {
	s.Helper()
	m := &mover{site: s, node: &node{world: s.world, number: i}, managers: map[bool]*sessions.Manager{}}
	address := s.admin.URL
	if s.faults {
		m.proxy = faultproxy.New(s, hostOf(s, address))
		m.proxy.Delay = 300 * time.Millisecond
		address = m.proxy.URL(s, address)
	}
	m.conns = b.ConnectSized(s, address, poolSizes[i%len(poolSizes)])
	m.store = m.open(i > 0)
	here, old := m.store, s.openOld(m.conns)
	if s.fraud.here != nil {
		here = s.fraud.here(s, here)
	}
	if s.fraud.old != nil && i < len(s.backends)-1 { // an import reads in pages, which a broken store has not
		old = s.fraud.old(s, old)
	}
	o := sessions.Options{
		Secrets: [][]byte{testbed.Secret}, Cookie: sessions.CookieOptions{Secure: sessions.SecureAuto},
		Timeout: s.timeout, Logger: slog.New(slog.NewTextHandler(s.log, nil)), ErrorHandler: s.fail,
	}
	before, err := express.New(old, express.Options{Secrets: []string{expressSecret}, Sessions: sessions.Options{Logger: o.Logger, Timeout: s.timeout}})
	testbed.Check(s, err)
	for _, only := range []bool{false, true} {
		m.managers[only], err = takeover.New(here, o, takeover.From{Manager: before, Until: until, UserKey: "user", ImportedOnly: only})
		testbed.Check(s, err)
	}
	m.use(false)
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*m.handler.Load()).ServeHTTP(w, r) }))
	s.Cleanup(m.server.Close)
	m.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}
	s.Cleanup(m.client.CloseIdleConnections)
	s.nodes = append(s.nodes, m.node)
	return m
}

// use begins to use the manager with ImportedOnly, or the other.
func (m *mover) use(only bool) {
	h := m.managers[only].Handler(http.HandlerFunc(m.site.serve))
	m.handler.Store(&h)
}

const (
	expressSecret = "keyboard cat"
	expressName   = "connect.sid"
	sidPrefix     = "ASecretOfExpress" // by which one is found in the log
)

// signed returns the value of Express's cookie.
func signed(sid string) string {
	mac := hmac.New(sha256.New, []byte(expressSecret))
	mac.Write([]byte(sid))
	return url.QueryEscape("s:" + sid + "." + base64.RawStdEncoding.EncodeToString(mac.Sum(nil)))
}

// text is what Express stores.
func text(l *lineage, log []tag, more string) string {
	tags, _ := json.Marshal(log)
	return fmt.Sprintf(`{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":%q,"birth":%q,"log":%s%s}`,
		l.user, l.name, tags, more)
}

// The statements of Node's stores, and what else happens to its table.
var nodeSQL = map[migrations.Dialect]map[string]string{
	migrations.PostgreSQL: {
		"set": `
INSERT INTO $TABLE (sess, expire, sid)
VALUES ($1, now() + interval '1 hour', $2)
ON CONFLICT (sid) DO UPDATE SET sess = EXCLUDED.sess, expire = EXCLUDED.expire`,
		"update":  "UPDATE $TABLE SET sess = $1 WHERE sid = $2",
		"expire":  "UPDATE $TABLE SET expire = now() - interval '1 hour' WHERE sid = $1",
		"destroy": "DELETE FROM $TABLE WHERE sid = $1",
	},
	migrations.MySQL: {
		"set": `
INSERT INTO $TABLE (data, expires, session_id)
VALUES (?, UNIX_TIMESTAMP() + 3600, ?)
ON DUPLICATE KEY UPDATE data = VALUES(data), expires = VALUES(expires)`,
		"update":  "UPDATE $TABLE SET data = ? WHERE session_id = ?",
		"expire":  "UPDATE $TABLE SET expires = UNIX_TIMESTAMP() - 3600 WHERE session_id = ?",
		"destroy": "DELETE FROM $TABLE WHERE session_id = ?",
	},
}

// asNode does what Node does, and reports how many rows it found.
func (s *site) asNode(what string, args ...any) (found int64, err error) {
	result, err := s.admin.DB.ExecContext(s.Context(), strings.ReplaceAll(nodeSQL[s.admin.Dialect][what], "$TABLE", s.table), args...)
	if err != nil {
		return 0, fmt.Errorf("as Node: %w", err)
	}
	return result.RowsAffected()
}

// empty deletes all that earlier rounds have left, marks included.
func (s *site) empty() {
	s.Helper()
	for _, table := range []string{s.table, s.admin.Name} {
		s.surely(func() error {
			_, err := s.admin.DB.ExecContext(s.Context(), "DELETE FROM "+table)
			return err
		})
	}
}

// rows returns all live rows of the new table.
func (s *site) rows() (all []driver.Row) {
	s.Helper()
	for req := (driver.ListRequest{All: true, Limit: 500}); ; {
		var rows []driver.Row
		s.surely(func() (err error) {
			rows, err = s.admin.Store.List(s.Context(), req)
			return err
		})
		if all = append(all, rows...); len(rows) < req.Limit {
			return all
		}
		req.After = rows[len(rows)-1].ID
	}
}
