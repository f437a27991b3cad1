package testbed

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
)

// A pooler stands between the tests and PostgreSQL. Each transaction gets any of its
// connections that is free.
type pooler struct {
	Name     string // as its console says, such as "PgBouncer 1.18.0"; "" for no pooler
	Prepares bool   // prepared statements work on all its connections
}

// PostgresPooler is the pooler in front of the shared PostgreSQL, if there is one.
var PostgresPooler pooler

// aside lists what makes no sense behind a pooler, and why.
var aside = map[string]string{
	"TestFaults/the role is read-only":                           ofNewConnections,
	"TestFaults/there are too many connections":                  ofNewConnections,
	"TestStoreInEveryMode/pgxpool describe_exec":                 twoTrips,
	"TestStoreInEveryMode/postgres serializable":                 ofClients,
	"TestTheClockIsSetBack/pgxpool":                              ofClients,
	"TestSerializableRowInUse/pgxpool":                           ofClients,
	"TestSerializableRowInUse/postgres":                          ofClients,
	"TestSerializableRowInUse/libpq":                             ofClients,
	"TestEachStepFails/F9 connection killed by an administrator": "a pooler shares the server's processes between clients",
	"TestNetworkFails/F6 later than the time limit":              ofCancels,
	"TestNetworkFails/F7 a byte a second":                        ofCancels,
	"TestStatementsOfAnAlteredTable/all":                         ofKeptPlans,
	"TestPostgresSettings/all":                                   ofClients,
	"TestEachPostgresSetting/all":                                ofClients,
	"TestPostgresEncodings/all":                                  ofClients,
	"lib/pq without binary_parameters=yes":                       twoTrips,
}

// This need not end in an error: if two statements take the same parameters, the wrong one
// may run, and a logout may delete nothing.
const twoTrips = "parses a statement in one round trip and executes in the next whatever that connection has parsed last"

const ofKeptPlans = "PgBouncer keeps the server's prepared statements, so they stay as they are until its RECONNECT"

const ofClients = "a pooler takes no such setting from a client"

const ofCancels = "PgBouncer 1.18 ends when many clients at once cancel what they wait for and leave"

const ofNewConnections = "such a setting of a role holds for connections that begin, and the pooler keeps the old ones"

// LeavesOut reports whether a subtest is left out behind this pooler. announce has said why.
func (p pooler) LeavesOut(t *testing.T, mode string) bool {
	test, _, _ := strings.Cut(t.Name(), "/")
	return p.Name != "" && aside[test+"/"+mode] != ""
}

// announce writes lines that matrix/run copies into its report.
func (p pooler) announce(w io.Writer) {
	if p.Name == "" {
		return
	}
	statements := "without"
	if p.Prepares {
		statements = "with"
	}
	fmt.Fprintf(w, "testing through %s %s prepared statements\n", p.Name, statements)
	var lines []string
	for what, why := range aside {
		lines = append(lines, "left out: "+what+": "+why+"\n")
	}
	if !p.Prepares {
		lines = append(lines, "left out: pgx's default mode cache_statement, exec in its place: there are no prepared statements\n")
	}
	slices.Sort(lines)
	fmt.Fprint(w, strings.Join(lines, ""))
}

// ForPgx and forLibPQ add to a URL what the driver needs behind this pooler.
func (p pooler) ForPgx(address string) string {
	if p.Name == "" || p.Prepares || strings.Contains(address, "default_query_exec_mode=") {
		return address
	}
	return WithParameters(address, "default_query_exec_mode=exec")
}

func (p pooler) forLibPQ(address string) string {
	if p.Name == "" || strings.Contains(address, "binary_parameters=") {
		return address
	}
	return WithParameters(address, "binary_parameters=yes")
}

// WithParameters adds parameters to a URL.
func WithParameters(address, parameters string) string {
	if strings.Contains(address, "?") {
		return address + "&" + parameters
	}
	return address + "?" + parameters
}

// HungUp recognizes a connection that PgBouncer closed. Where PostgreSQL refused to prepare a
// statement, as for a missing table, PgBouncer keeps its name all the same, and closes the
// client's connection when the client prepares it again.
func (p pooler) HungUp(err error) bool {
	var refused *pgconn.PgError
	return p.Prepares && errors.As(err, &refused) && refused.Code == "08P01" && refused.Severity == "FATAL"
}

// findPooler finds out whether there is a pooler at the URL of a PostgreSQL database. Nobody
// else may use that database yet.
func findPooler(ctx context.Context, address string) (p pooler, err error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return p, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if p.Name, err = poolerName(ctx, config); p.Name == "" || err != nil {
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
	// It gets the connection that has just been returned, the only one.
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
	p.Prepares = err == nil
	return p, err
}

// poolerName asks PgBouncer's console, which clients see as a database. It returns "" if
// there is none.
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
