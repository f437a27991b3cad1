// Package batch sends the loads, saves, touches, creates and looks at marks of many callers
// as one statement when there are too many for one each, with package coalesce. It is what
// pgstore and mysqlstore share beside their SQL.
package batch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/coalesce"
	"github.com/sqlsessions/sessions/internal/native"
)

// What goes together.
type (
	LoadCall  = coalesce.Call[native.Lookup, native.Row]
	WriteCall = coalesce.Call[native.Write, driver.SaveResult]
	MarksCall = coalesce.Call[[]driver.ID, []native.Mark]
)

// A Table is a store's methods for single rows and for many. The latter set the result of
// each call, or RunAlone; LoadRows may return an error for all instead.
type Table interface {
	native.Rows

	// LoadRows has one call for each row, which byKey finds. Like LoadRow it returns rows
	// whatever their verifier is. The results of rows that are not there stay empty.
	LoadRows(ctx context.Context, calls []*LoadCall, byKey map[native.Key]*LoadCall) error

	// CreateRows, SaveRows and TouchRows have their calls in the order of the IDs. All
	// batches lock rows in that order.
	CreateRows(ctx context.Context, calls []*WriteCall)
	SaveRows(ctx context.Context, calls []*WriteCall)
	TouchRows(ctx context.Context, calls []*WriteCall)

	// Refused reports whether nothing of a statement was done, and a single row may be
	// the reason.
	Refused(err error) bool

	// Connections returns how many there may be, 0 for any number.
	Connections() int
}

const (
	// width is how many callers at most have a statement of their own. More at once are slower
	// than a few that carry many calls, however many connections there are.
	width = 16
	// crowdedRead and crowdedWrite are how many times its shortest time a statement may take
	// before calls go together. Writes share the server's disk better than reads share its
	// processors: what several commit at the same time reaches the disk together.
	crowdedRead, crowdedWrite = 2.25, 4
	// senders is how many statements of a kind run at once when calls go together.
	senders = 2
	// patience is when others may go in the place of a statement that takes long.
	patience = 50 * time.Millisecond
	// limit is how many calls go together, and maxBytes how much session data. limit is a
	// power of two, because mysqlstore prepares statements for such numbers of rows.
	limit, maxBytes = 128, 1 << 20
	// maxWaiting is how many calls of a kind wait. Each has a goroutine.
	maxWaiting = 1 << 16
)

type rows struct {
	limiter                 coalesce.Limiter
	loads                   coalesce.Group[native.Lookup, native.Row]
	saves, touches, creates coalesce.Group[native.Write, driver.SaveResult]
	marks                   coalesce.Group[[]driver.ID, []native.Mark]
}

// New returns the methods of a table for single rows, which go together with others when
// there are many.
func New(t Table) native.Rows {
	r := &rows{limiter: coalesce.Limiter{Width: width, Patience: patience, Connections: t.Connections}}
	l := &r.limiter
	setUp(&r.loads, l, t.LoadRow, func(ctx context.Context, calls []*LoadCall) { load(ctx, t, calls) })
	setUp(&r.marks, l, t.Marks, func(ctx context.Context, calls []*MarksCall) { marks(ctx, t, calls) })
	setUpWrites(&r.creates, l, t.CreateRow, t.CreateRows)
	setUpWrites(&r.saves, l, t.SaveRow, t.SaveRows)
	setUpWrites(&r.touches, l, t.TouchRow, t.TouchRows)
	r.saves.Superseded, r.touches.Superseded = saveSuperseded, touchSuperseded
	return r
}

func setUp[In, Out any](g *coalesce.Group[In, Out], l *coalesce.Limiter,
	one func(context.Context, In) (Out, error), many func(context.Context, []*coalesce.Call[In, Out]),
) {
	g.Limiter, g.Limit, g.MaxWaiting, g.Alone, g.Together = l, limit, maxWaiting, one, many
	g.Senders, g.Crowded = senders, crowdedRead
}

func setUpWrites(g *coalesce.Group[native.Write, driver.SaveResult], l *coalesce.Limiter,
	one func(context.Context, native.Write) (driver.SaveResult, error), many func(context.Context, []*WriteCall),
) {
	setUp(g, l, one, func(ctx context.Context, calls []*WriteCall) {
		slices.SortFunc(calls, func(a, b *WriteCall) int { return strings.Compare(key(a.In), key(b.In)) })
		many(ctx, calls)
	})
	g.Commits, g.Crowded = true, crowdedWrite
	g.Key, g.Size, g.MaxBytes = key, size, maxBytes
}

func key(w native.Write) string { return string(w.From.ID) }

func size(w native.Write) int { return len(w.Data) } // nothing for a touch

// saveSuperseded spares a statement that could only find what the save that ended has met or
// written.
func saveSuperseded(ended, waits *WriteCall) bool {
	waits.Err = native.Superseded(ended.In.SaveRequest, ended.Out, ended.Err, waits.In.SaveRequest)
	return waits.Err != nil
}

// touchSuperseded spares a touch that could only do again what the one that ended has done.
func touchSuperseded(ended, waits *WriteCall) bool {
	did, wants := ended.In, waits.In
	same := did.From == wants.From && did.Life.Idle == wants.Life.Idle && did.Life.Throttle <= wants.Life.Throttle
	if !same || ended.Err != nil && !errors.Is(ended.Err, driver.ErrNotFound) {
		return false
	}
	waits.Err = ended.Err
	return true
}

func (r *rows) LoadRow(ctx context.Context, l native.Lookup) (native.Row, error) {
	return r.loads.Do(ctx, l)
}

func (r *rows) CreateRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	return r.creates.Do(ctx, w)
}

func (r *rows) SaveRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	return r.saves.Do(ctx, w)
}

func (r *rows) TouchRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	return r.touches.Do(ctx, w)
}

// Marks begins no earlier than its caller asked, as every call does. So a sign-in sees the
// marks that were set before it was stored.
func (r *rows) Marks(ctx context.Context, ids []driver.ID) ([]native.Mark, error) {
	return r.marks.Do(ctx, ids)
}

// marks asks for each mark once, such as for that of everything, which all sign-ins are under.
func marks(ctx context.Context, t Table, calls []*MarksCall) {
	var ids []driver.ID
	wanted := make(map[driver.ID][]*MarksCall)
	for _, c := range calls {
		for _, id := range c.In {
			if wanted[id] == nil {
				ids = append(ids, id)
			}
			wanted[id] = append(wanted[id], c)
		}
	}
	found, err := t.Marks(ctx, ids)
	if err != nil {
		Fail(calls, err, t.Refused(err))
		return
	}
	for _, m := range found {
		for _, c := range wanted[m.ID] {
			c.Out = append(c.Out, m)
		}
	}
}

// load asks for each row once, and gives the answer to all callers that asked for it.
func load(ctx context.Context, t Table, calls []*LoadCall) {
	first := make(map[native.Key]*LoadCall, len(calls))
	n := 0
	for i, c := range calls {
		if first[c.In.Key] == nil {
			first[c.In.Key] = c
			calls[n], calls[i] = c, calls[n] // the first calls for a row come to the front
			n++
		}
	}
	if err := t.LoadRows(ctx, calls[:n], first); err != nil {
		Fail(calls, err, t.Refused(err))
		return
	}
	for _, c := range calls[n:] {
		asked := first[c.In.Key]
		c.Out, c.Err = asked.Out, asked.Err
		c.Out.Data = slices.Clone(asked.Out.Data)
	}
}

// Fail gives all calls of a batch its error. If alone is true, nothing was done, and they
// run alone instead, so that a call which can't be carried out harms no other.
func Fail[In, Out any](calls []*coalesce.Call[In, Out], err error, alone bool) {
	for _, c := range calls {
		if c.RunAlone = alone; !alone {
			c.Err = err
		}
	}
}
