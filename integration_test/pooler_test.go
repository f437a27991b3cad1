package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
)

// A pooler stands between the tests and PostgreSQL and gives each transaction
// whichever of its connections is free.
type pooler struct {
	name     string // as its console says, such as "PgBouncer 1.18.0"; "" for no pooler
	prepares bool   // a prepared statement is there on whichever connection runs it
}

// postgresPooler is the pooler in front of the shared PostgreSQL.
var postgresPooler pooler

// aside is what makes no sense behind a pooler, with the reason.
var aside = map[string]string{
	"TestFaults/the role is read-only":           ofNewConnections,
	"TestFaults/there are too many connections":  ofNewConnections,
	"TestStoreInEveryMode/pgxpool describe_exec": twoTrips,
	"TestStoreInEveryMode/postgres serializable": ofClients,
	"TestSerializableRowInUse/pgxpool":           ofClients,
	"TestSerializableRowInUse/postgres":          ofClients,
	"TestSerializableRowInUse/libpq":             ofClients,
	"lib/pq without binary_parameters=yes":       twoTrips,
}

// Not only an error: where two statements take the same parameters, one is
// executed in the place of the other, and a logout may delete nothing.
const twoTrips = "parses a statement in one round trip and executes in the next whatever that connection has parsed last"

const ofClients = "a pooler takes no such setting from a client"

const ofNewConnections = "such a setting of a role holds for connections that begin, and the pooler keeps the old ones"

// leavesOut tells whether a subtest is not run behind this pooler; announce has
// said why.
func (p pooler) leavesOut(t *testing.T, mode string) bool {
	test, _, _ := strings.Cut(t.Name(), "/")
	return p.name != "" && aside[test+"/"+mode] != ""
}

// announce writes the lines that matrix/run puts into its report.
func (p pooler) announce(w io.Writer) {
	if p.name == "" {
		return
	}
	statements := "without"
	if p.prepares {
		statements = "with"
	}
	fmt.Fprintf(w, "testing through %s %s prepared statements\n", p.name, statements)
	var lines []string
	for what, why := range aside {
		lines = append(lines, "left out: "+what+": "+why+"\n")
	}
	if !p.prepares {
		lines = append(lines, "left out: pgx's default mode cache_statement, exec in its place: there are no prepared statements\n")
	}
	slices.Sort(lines)
	fmt.Fprint(w, strings.Join(lines, ""))
}

// forPgx and forLibPQ add to a URL what its driver needs behind this pooler.
func (p pooler) forPgx(address string) string {
	if p.name == "" || p.prepares || strings.Contains(address, "default_query_exec_mode=") {
		return address
	}
	return withParameters(address, "default_query_exec_mode=exec")
}

func (p pooler) forLibPQ(address string) string {
	if p.name == "" || strings.Contains(address, "binary_parameters=") {
		return address
	}
	return withParameters(address, "binary_parameters=yes")
}

func withParameters(address, parameters string) string {
	if strings.Contains(address, "?") {
		return address + "&" + parameters
	}
	return address + "?" + parameters
}

// hungUp recognizes what PgBouncer does, once for each connection, when a client
// prepares a statement again that PostgreSQL has refused, as for a missing table:
// it has kept the statement's name, and ends the connection.
func (p pooler) hungUp(err error) bool {
	var refused *pgconn.PgError
	return p.prepares && errors.As(err, &refused) && refused.Code == "08P01" && refused.Severity == "FATAL"
}

// findPooler finds out what there is at the URL of a PostgreSQL database that
// nobody else uses yet.
func findPooler(ctx context.Context, address string) (p pooler, err error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return p, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if p.name, err = poolerName(ctx, config); p.name == "" || err != nil {
		return p, err
	}
	var conns [2]*pgx.Conn
	for i := range conns {
		if conns[i], err = pgx.ConnectConfig(ctx, config); err != nil {
			return p, err
		}
		defer func() { err = errors.Join(err, conns[i].Close(context.WithoutCancel(ctx))) }()
	}
	const statement = "found_again"
	if _, err := conns[0].PgConn().Prepare(ctx, statement, "SELECT 1", nil); err != nil {
		return p, err
	}
	// The other takes the connection that has just been given back, the only one.
	tx, err := conns[1].Begin(ctx)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }()
	err = conns[0].PgConn().ExecPrepared(ctx, statement, nil, nil, nil).Read().Err
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "26000" { // invalid_sql_statement_name
		return p, nil
	}
	p.prepares = err == nil
	return p, err
}

// poolerName asks PgBouncer's console, which is there as a database, or returns "".
func poolerName(ctx context.Context, config *pgx.ConnConfig) (name string, err error) {
	config = config.Copy()
	config.Database = "pgbouncer"
	console, err := pgx.ConnectConfig(ctx, config)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "3D000" { // invalid_catalog_name
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, console.Close(context.WithoutCancel(ctx))) }()
	results, err := console.PgConn().Exec(ctx, "SHOW VERSION").ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

// process returns the server's process that a transaction runs in, and what
// ends the transaction.
func (c *conns) process(t *testing.T) (id int, end func()) {
	t.Helper()
	const query = "SELECT pg_backend_pid()"
	if c.pool != nil {
		tx, err := c.pool.Begin(t.Context())
		check(t, err)
		check(t, tx.QueryRow(t.Context(), query).Scan(&id))
		return id, func() { check(t, tx.Commit(t.Context())) }
	}
	tx, err := c.db.BeginTx(t.Context(), nil)
	check(t, err)
	check(t, tx.QueryRowContext(t.Context(), query).Scan(&id))
	return id, func() { check(t, tx.Commit()) }
}

// What the tests believe to be between them and PostgreSQL is there: behind a
// pooler, two transactions of one client run in two processes of the server,
// and else never.
func TestConnectionsAreSharedByAPooler(t *testing.T) {
	for _, b := range postgresBackends() {
		t.Run(b.name, func(t *testing.T) {
			one, other := b.connectSized(t, "", 1), b.connectSized(t, "", 1)
			first, end := one.process(t)
			end()
			// The connection that has just been given back goes to whoever comes next.
			between, release := other.process(t)
			second, end := one.process(t)
			end()
			release()
			if pooled := postgresPooler.name != ""; pooled != (first == between) || pooled != (first != second) {
				t.Errorf("processes %d and %d, another client's %d, pooler %q", first, second, between, postgresPooler.name)
			}
		})
	}
}

// In pgx's default mode a store works wherever prepared statements do. Where
// they don't, its error says what is to be done.
func TestPreparedStatementsWorkOrTheErrorSaysWhatDoes(t *testing.T) {
	for _, b := range postgresBackends() {
		if b.name == "libpq" {
			continue // it prepares no statement by name
		}
		t.Run(b.name, func(t *testing.T) {
			tab := b.newTable(t)
			one := b.connectSized(t, withParameters(tab.url, "default_query_exec_mode=cache_statement"), 1)
			store := one.openStore(t, tab.name)
			load := func() error {
				_, err := store.Load(t.Context(), newRow("").Ref)
				return err
			}
			if err := load(); !errors.Is(err, sessions.ErrNotFound) {
				t.Fatalf("the first time: %v", err)
			}
			_, release := tab.process(t) // has the connection on which that was prepared
			err := load()
			release()
			if postgresPooler.name == "" || postgresPooler.prepares {
				if !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("the second time: %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "pgstore: load: ") || !strings.Contains(err.Error(), "add default_query_exec_mode=exec") {
				t.Errorf("an error that does not help: %v", err)
			}
		})
	}
}

func postgresBackends() (found []backend) {
	for _, b := range backends {
		if b.dialect == migrations.PostgreSQL {
			found = append(found, b)
		}
	}
	return found
}
