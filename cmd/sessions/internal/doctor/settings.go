package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/pgerr"
)

// A rule is about a setting of the connection that makes things fail or slow.
type rule struct {
	name         string
	bad          func(value string) bool
	found        func(text, advice string, value any) []Finding
	text, advice string
}

func is(bad ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(bad, value) }
}

func isNot(good ...string) func(string) bool {
	return func(value string) bool { return !slices.Contains(good, value) }
}

// below reports whether a number is less than this, and not zero, which turns the setting off.
func below(least int) func(string) bool {
	return func(value string) bool {
		n, err := strconv.Atoi(value)
		return err == nil && n > 0 && n < least
	}
}

var postgresRules = []rule{
	{
		"server_encoding", isNot("UTF8", "SQL_ASCII"), warning,
		"a session with a character that the encoding of the database does not have is refused", "move the table to a database with ENCODING 'UTF8'",
	},
	{
		"statement_timeout", below(1000), note,
		"so many milliseconds may be too few for a sweep, or when the server is busy",
		"use a second or more for the application's user; Options.Timeout limits requests",
	},
	{
		"synchronous_commit", is("off"), note,
		"if the server crashes, the last changes that were answered are lost, logouts included", "set it to on for the application's user",
	},
}

var mysqlRules = []rule{
	{
		"binlog_format", is("STATEMENT"), warning,
		"nothing can be saved in READ COMMITTED, and the reaper holds up new sessions while it deletes", "set it to ROW",
	},
	{
		"sql_safe_updates", is("ON"), note,
		"many changes at once, and rows that a reaper deletes, may go one by one, which is slower", "set it to 0 for the application's connections",
	},
	{
		"sql_big_selects", is("OFF"), warning,
		"lists, sweeps and logging out everywhere may be refused, by max_join_size", "set it to 1 for the application's connections",
	},
	{
		"in_predicate_conversion_threshold", below(513), warning,
		"statements for many sessions read the whole table, and lock it", "set it to 1000, its default",
	},
	{
		"character_set_client", isNot("utf8mb4", "utf8mb3", "utf8", "latin1", "binary"), note,
		"some text can't be sent, and is refused", "add charset=utf8mb4 to the DSN",
	},
}

// judge applies rules to settings.
func judge(rules []rule, have map[string]string) (found []Finding) {
	for _, r := range rules {
		if value, there := have[r.name]; there && r.bad(value) {
			found = append(found, r.found(fmt.Sprintf("%s is %s: %s", r.name, value, r.text), r.advice, value)...)
		}
	}
	return found
}

// refusal is a finding of what the store refuses, whose error ends with what to do.
func refusal(err error) []Finding {
	text, advice, _ := strings.Cut(target.OneLine(err), "; ")
	return failure("the store refuses this connection: "+text, advice, nil)
}

func settled(found []Finding) []Finding {
	if len(found) == 0 {
		return ok("the connection's settings are as the store needs them", nil)
	}
	return found
}

func postgresSettings(c *Conn) []Finding {
	have := map[string]string{}
	var name, value string
	// The check itself has another statement_timeout.
	c.each(`SELECT name, CASE name WHEN 'statement_timeout' THEN reset_val ELSE setting END FROM pg_settings
		WHERE name IN ('client_encoding', 'server_encoding', 'DateStyle', 'bytea_output', 'synchronous_commit', 'statement_timeout')`,
		func() { have[name] = value }, &name, &value)
	found := judge(postgresRules, have)
	if err := pgerr.Encoding(have["client_encoding"], have["server_encoding"]); err != nil {
		found = append(found, refusal(err)...)
	}
	if dates, binary := have["DateStyle"], have["bytea_output"]; !strings.HasPrefix(dates, "ISO") || binary != "hex" {
		say := note
		if c.ExecMode == pgx.QueryExecModeExec || c.ExecMode == pgx.QueryExecModeSimpleProtocol {
			say = failure
		}
		found = append(found, say(fmt.Sprintf("DateStyle is %q and bytea_output %q: "+
			"the store refuses this with pgx in exec or simple_protocol mode, as in this program", dates, binary),
			"add datestyle=ISO and bytea_output=hex to the database URL, or set them for the application's user", dates)...)
	}
	return settled(found)
}

func mysqlSettings(c *Conn) []Finding {
	if err := mysqldb.Check(c.ctx, c.DB); err != nil {
		if c.ctx.Err() != nil || myerr.Number(err) != 0 {
			c.err = err
			return nil
		}
		return refusal(err)
	}
	names := []string{"log_bin"}
	for _, r := range mysqlRules {
		names = append(names, r.name)
	}
	have := c.variables(names...)
	if have["log_bin"] != "ON" {
		delete(have, "binlog_format") // nothing is logged
	}
	return settled(judge(mysqlRules, have))
}
