package doctor

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
)

const bigData = 64 << 10 // bytes, the default of MaxBytes

var countLimit = 100_000 // rows; a variable for tests

// checkContent looks at the rows that a reaper should have deleted, and at the newest.
func checkContent(c *Conn) []Finding {
	var expired, rows, live, ended, later, huge int
	var oldest, largest int64
	c.get(c.due, &expired, &oldest)
	c.get(c.newest, &rows, &live, &ended, &later, &largest, &huge)
	of := ""
	if rows >= countLimit {
		of = fmt.Sprintf(" among the %d newest rows", countLimit)
	}
	return slices.Concat(
		as("live", ok(target.Plural(live, "live session")+of, live)),
		as("ended", ok(target.Plural(ended, "ended session")+of+", kept for now", ended)),
		as("expired", c.backlog(expired, time.Duration(oldest)*time.Millisecond)),
		as("data", dataSize(rows, huge, largest)),
		as("format", laterFormat(later, of)),
	)
}

func (c *Conn) backlog(expired int, oldest time.Duration) []Finding {
	text := "no expired rows"
	if expired > 0 {
		text = fmt.Sprintf("%s, the oldest for %s", target.Plural(expired, "expired row"), age(oldest))
	}
	if expired >= countLimit {
		text = "at least " + text
	}
	if expired >= countLimit || oldest > 24*time.Hour {
		return warning(text+": no reaper seems to run",
			"run a sessions.Reaper in your program, or "+c.Command("cleanup --every 5m")+"; it may take a while to catch up", expired)
	}
	return ok(text, expired)
}

func dataSize(rows, huge int, largest int64) []Finding {
	const advice = "store the keys of things in a session, and the things in a table; Options.MaxBytes limits it"
	text := "the largest data is " + size(largest)
	switch {
	case rows == 0:
		return ok("no data to measure", nil)
	case huge > 0:
		return warning(fmt.Sprintf("%s; in %s it is over 1 MiB, which each request reads", text, target.Plural(huge, "row")), advice, largest)
	case largest > bigData:
		return note(text+", which is over the default limit of 64 KiB", advice, largest)
	}
	return ok(text, largest)
}

// laterFormat reports live rows in a format that only a later version of the program knows.
func laterFormat(rows int, of string) []Finding {
	if rows == 0 {
		return ok("no live rows"+of+" were written by a later version of the program", rows)
	}
	return warning(target.Plural(rows, "live row")+of+" written by a later version of the program; this one answers 503 for them",
		"update the application wherever an older version still runs, and this program", rows)
}
