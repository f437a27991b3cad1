package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	exactBelow = 1_000_000 // rows; above, counting would hurt
	dueLimit   = 100_000   // rows; in the SQL too
	bigData    = 64 << 10  // bytes, the default of MaxBytes
)

// content counts what is in the table: exactly in a small one, and by the
// index and a sample in a big one.
func content(ctx context.Context, x *examination) error {
	if !x.fits {
		x.note("content: not examined while columns are missing", "put the columns right first", nil)
		return nil
	}
	if err := x.get(ctx, x.sql.rows, &x.rows); err != nil {
		return err
	}
	var live, expired, oldest, biggest, huge, later int64
	var average float64
	if x.rows < exactBelow {
		if err := x.get(ctx, x.sql.exact, &live, &expired, &oldest, &average, &biggest, &huge, &later); err != nil {
			return err
		}
		x.name = "live"
		x.ok(plural(int(live), "live session"), live)
		x.backlog(expired, oldest, "")
		x.data(live+expired, average, biggest, huge, "")
		x.later(later, "")
		return nil
	}
	if err := x.get(ctx, x.sql.due, &expired, &oldest); err != nil {
		return err
	}
	x.name = "live"
	more := ""
	if expired > dueLimit {
		more = "more than "
		x.ok(fmt.Sprintf("about %d rows, live and expired", x.rows), x.rows)
	} else {
		x.ok(fmt.Sprintf("about %d live sessions", x.rows-expired), x.rows-expired)
	}
	x.backlog(min(expired, dueLimit), oldest, more)
	var looked int64
	if err := x.get(ctx, x.sql.sample, &looked, &average, &biggest, &huge); err != nil {
		return err
	}
	x.data(looked, average, biggest, huge, fmt.Sprintf(" in %d rows that were looked at", looked))
	if err := x.get(ctx, x.sql.later, &later); err != nil {
		return err
	}
	x.later(later, " (of the 10000 newest by ID)")
	return nil
}

// later reports live rows in a format that only a later version of the program knows.
func (x *examination) later(rows int64, where string) {
	x.name = checkFormat
	if rows > 0 {
		x.warn(fmt.Sprintf("%s%s written by a later version of the program; this one answers 503 for them", plural(int(rows), "live row"), where),
			"update the application wherever an older version still runs, and this program", rows)
		return
	}
	x.ok("no live rows"+where+" were written by a later version of the program", rows)
}

func (x *examination) backlog(expired, oldestMillis int64, more string) {
	x.name = "expired"
	oldest := time.Duration(oldestMillis) * time.Millisecond
	text := "no expired rows"
	if expired > 0 {
		text = fmt.Sprintf("%s%s, the oldest since %s", more, plural(int(expired), "expired row"), age(oldest))
	}
	if more != "" || expired > dueLimit || oldest > 24*time.Hour {
		x.warn(text+": no reaper seems to run", "run a sessions.Reaper in your program, or "+x.again("cleanup --every 5m")+"; it may take a while to catch up", expired)
		return
	}
	x.ok(text, expired)
}

func (x *examination) data(rows int64, average float64, biggest, huge int64, where string) {
	x.name = "data"
	if rows == 0 {
		x.ok("no data to measure", nil)
		return
	}
	text := fmt.Sprintf("data is %s on average and %s at the most%s", size(int64(average)), size(biggest), where)
	const advice = "keep in a session what names things, and the things in a table; Options.MaxBytes limits it"
	switch {
	case huge > 0:
		x.warn(fmt.Sprintf("%s; in %s it is over 1 MiB, which each request reads", text, plural(int(huge), "row")), advice, biggest)
	case biggest > bigData:
		x.note(text+", which is over the default limit of 64 KiB", advice, biggest)
	default:
		x.ok(text, biggest)
	}
}

// needed are the privileges of the runtime role.
var needed = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}

// grants compares what the role may do with the four privileges that the store
// needs, or those of a role that only cleans up, which must be able to lock rows.
func (x *examination) grants(missing []string, locks bool) {
	lacks := func(privilege string) bool { return slices.Contains(missing, privilege) }
	switch {
	case len(missing) == 0:
		x.ok("the user may SELECT, INSERT, UPDATE and DELETE", nil)
		return
	case lacks("INSERT") && locks && !lacks("SELECT") && !lacks("DELETE"):
		x.note("the user may clean up, and make no session: it lacks "+strings.Join(missing, ", "),
			"right for `sessions cleanup`; for an application: "+x.grant(strings.Join(missing, ", "), "$TABLE"), missing)
		return
	}
	x.fail(fmt.Sprintf("the user lacks %s on the table", strings.Join(missing, ", ")),
		x.grant(strings.Join(missing, ", "), "$TABLE")+"; a role that only cleans up needs no INSERT, and UPDATE to lock rows ("+docsRoles+")", missing)
}
