package pgstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/coalesce"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A write is one row to write, by whichever method it is asked for.
type write struct {
	driver.SaveRequest
	version driver.Version // which the row has then
}

type (
	loadCall  = coalesce.Call[name, driver.Row]
	writeCall = coalesce.Call[write, driver.SaveResult]
)

// groups send calls that would wait for a connection together.
type groups struct {
	crowd                   coalesce.Crowd
	loads                   coalesce.Group[name, driver.Row]
	saves, touches, creates coalesce.Group[write, driver.SaveResult]
}

const (
	// width is how many callers have a statement of their own. More at once
	// are slower than few that carry many, however many connections there are.
	width = 16
	// busy is how many statements run at once when calls go together.
	busy = 2
	// limit and full are how many calls, and bytes of session data, go together.
	limit, full = 128, 1 << 20
)

func newGroups(s *Store) *groups {
	g := &groups{crowd: coalesce.Crowd{Width: width, Connections: s.db.size}}
	setUp(g, &g.loads, "load", nil, s.loadAlone, s.loadTogether)
	setUp(g, &g.saves, "save", write.key, s.saveAlone, s.saveTogether)
	g.saves.Moot, g.saves.Size, g.saves.Full = overtaken, write.size, full
	setUp(g, &g.touches, "touch", write.key, s.touchAlone, s.touchTogether)
	setUp(g, &g.creates, "create", write.key, s.createAlone, s.createTogether)
	g.creates.Size, g.creates.Full = write.size, full
	return g
}

func setUp[In, Out any](all *groups, g *coalesce.Group[In, Out], doing string, key func(In) string,
	alone func(context.Context, In) (Out, error), together func(context.Context, []*coalesce.Call[In, Out]),
) {
	g.Crowd, g.Doing = &all.crowd, "pgstore: "+doing
	g.Busy, g.Limit = busy, limit
	g.Key, g.Alone, g.Together = key, alone, together
}

func (w write) key() string { return string(w.From.ID) }

func (w write) size() int { return len(w.Data) }

// overtaken spares the statement that could only find what the save that ended has
// met or replaced.
func overtaken(ended *writeCall, waits write) error {
	err := native.Overtaken(ended.In.SaveRequest, ended.Out, ended.Err, waits.SaveRequest)
	if err != nil {
		err = fmt.Errorf("pgstore: save: %w", err)
	}
	return err
}

func (s *Store) loadTogether(ctx context.Context, calls []*loadCall) {
	first := make(map[[uuid.Size]byte]*loadCall, len(calls))
	ids := make(uuids, 0, len(calls))
	for _, c := range calls {
		if first[c.In.id] == nil {
			first[c.In.id] = c
			ids = append(ids, pgtype.UUID{Bytes: c.In.id, Valid: true})
		}
	}
	unreadable := false
	reset := func() {
		for _, c := range calls {
			c.Out, c.Err = driver.Row{}, nil
		}
	}
	err := s.each(ctx, retry.Few, s.sql.loadMany, reset, func(r rows) error {
		record, err := r.record()
		if unreadable = err != nil; unreadable {
			return err
		}
		if c := first[record.id]; c != nil {
			c.Out, c.Err = record.named(&c.In), s.wrap("load", native.CheckFormat(record.format))
		}
		return nil
	}, ids)
	// Backward, because the first call for a row has the answer for the others.
	for _, c := range slices.Backward(calls) {
		asked := first[c.In.id]
		switch {
		case unreadable || pgerr.Refused(err):
			c.Apart = true
		case err != nil:
			c.Err = s.wrap("load", err)
		case asked.Err != nil:
			c.Out, c.Err = driver.Row{}, asked.Err
		case !native.Proves(c.In.Verifier, asked.Out.Verifier):
			c.Out, c.Err = driver.Row{}, notFound("load")
		case asked != c:
			c.Out = asked.Out
			c.Out.Data = slices.Clone(asked.Out.Data)
		}
	}
}

// args are the parameters of a create or save. The data comes last: in front of
// others it would make pgx move a large buffer.
func (s *Store) args(w *write, create bool) []any {
	var absolute, verifier any
	if w.Life.Absolute > 0 {
		absolute = w.Life.Absolute.Microseconds()
	}
	if w.Verifier != w.From.Verifier {
		verifier = []byte(w.Verifier)
	}
	args := make([]any, 0, 11)
	args = append(args, string(w.From.ID), s.idle.param(w.Life.Idle), absolute, int64(w.version), verifier,
		null(w.User), null(w.Label), w.Authenticated)
	if !create {
		args = append(args, []byte(w.From.Verifier), int64(w.Version))
	}
	return append(args, s.db.json(w.Data))
}

// null returns NULL for the empty string.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// A duration is a parameter that nearly all calls have in common. To make it one
// each time would be an allocation.
type duration struct{ last atomic.Pointer[boxed] }

type boxed struct {
	of    time.Duration
	param any
}

func (d *duration) param(of time.Duration) any {
	last := d.last.Load()
	if last == nil || last.of != of {
		last = &boxed{of, of.Microseconds()}
		d.last.Store(last)
	}
	return last.param
}

// columnsOf are those of many creates or saves, side by side. One of nothing but zeros
// is NULL: then unnest has nothing to unpack, and gives a NULL for each of them.
func columnsOf(calls []*writeCall, create bool) []any {
	n := len(calls)
	var verifiers byteas
	var users, labels texts
	var absolute, authenticated int8s
	ids, proofs, data := make(uuids, n), make(byteas, n), make(texts, n)
	idle, versions, replaced := make(int8s, n), make(int8s, n), make(int8s, n)
	for i, c := range calls {
		w := &c.In
		ids[i].Bytes, ids[i].Valid = uuid.Parse(string(w.From.ID))
		idle[i], versions[i], replaced[i] = w.Life.Idle.Microseconds(), int64(w.version), int64(w.Version)
		proofs[i], data[i] = []byte(w.From.Verifier), string(w.Data)
		set(&absolute, n, i, w.Life.Absolute.Microseconds())
		set(&users, n, i, w.User)
		set(&labels, n, i, w.Label)
		if w.Authenticated {
			set(&authenticated, n, i, 1)
		}
		if w.Verifier != w.From.Verifier {
			if verifiers == nil {
				verifiers = make(byteas, n)
			}
			verifiers[i] = []byte(w.Verifier)
		}
	}
	columns := []any{ids, idle, absolute, versions, verifiers, users, labels, authenticated}
	if !create {
		columns = append(columns, proofs, replaced)
	}
	return append(columns, data)
}

// set puts a value in a column of n, unless it is zero.
func set[C ~[]E, E comparable](column *C, n, i int, value E) {
	var zero E
	if value == zero {
		return
	}
	if *column == nil {
		*column = make(C, n)
	}
	(*column)[i] = value
}

// sortByID puts the rows in the order in which all batches lock them.
func sortByID(calls []*writeCall) {
	slices.SortFunc(calls, func(a, b *writeCall) int { return strings.Compare(string(a.In.From.ID), string(b.In.From.ID)) })
}

func (s *Store) saveTogether(ctx context.Context, calls []*writeCall) {
	sortByID(calls)
	saved, err := s.written(ctx, s.sql.saveMany, columnsOf(calls, false)...)
	var now map[driver.ID]driver.Row
	if err == nil && len(saved) < len(calls) {
		now, err = s.states(ctx, calls)
	}
	for _, c := range calls {
		switch is := now[c.In.From.ID]; {
		case saved[c.In.version]:
			c.Out.Version = c.In.version
		case pgerr.Refused(err):
			c.Apart = true
		case err != nil:
			c.Err = s.wrap("save", err)
		case !native.Proves(c.In.From.Verifier, is.Verifier):
			c.Err = notFound("save")
		case is.Version != c.In.Version:
			c.Err = errConflict
		default:
			c.Apart = true // the row is locked
		}
	}
}

// written runs a statement that returns the versions of the rows it wrote.
func (s *Store) written(ctx context.Context, query string, args ...any) (versions map[driver.Version]bool, err error) {
	err = s.each(ctx, retry.Few, query, func() { versions = make(map[driver.Version]bool) }, func(r rows) error {
		var version int64
		err := r.Scan(&version)
		versions[driver.Version(version)] = true
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return versions, nil
}

// states returns the verifiers and versions of the rows that are alive.
func (s *Store) states(ctx context.Context, calls []*writeCall) (now map[driver.ID]driver.Row, err error) {
	ids := make([]driver.ID, len(calls))
	for i, c := range calls {
		ids[i] = c.In.From.ID
	}
	err = s.each(ctx, retry.Few, s.sql.states, func() { now = make(map[driver.ID]driver.Row) }, func(r rows) error {
		var id string
		var verifier []byte
		var version int64
		err := r.Scan(&id, &verifier, &version)
		row := driver.Row{Version: driver.Version(version)}
		row.Verifier = driver.Verifier(verifier)
		now[driver.ID(id)] = row
		return err
	}, uuidsOf(ids))
	return now, err
}

func (s *Store) touchTogether(ctx context.Context, calls []*writeCall) {
	sortByID(calls)
	n := len(calls)
	ids, idle, throttle, proofs := make([]driver.ID, n), make(int8s, n), make(int8s, n), make(byteas, n)
	for i, c := range calls {
		w := &c.In
		ids[i], proofs[i] = w.From.ID, []byte(w.From.Verifier)
		idle[i], throttle[i] = w.Life.Idle.Microseconds(), w.Life.Throttle.Microseconds()
	}
	reset := func() {
		for _, c := range calls {
			c.Err, c.Apart = nil, false
		}
	}
	err := s.each(ctx, retry.Few, s.sql.touchMany, reset, func(r rows) error {
		var i int
		var there bool
		if err := r.Scan(&i, &there); err != nil {
			return err
		}
		if calls[i-1].Apart = there; !there {
			calls[i-1].Err = notFound("touch")
		}
		return nil
	}, uuidsOf(ids), idle, throttle, proofs)
	if err != nil {
		fail(calls, s.wrap("touch", err))
	}
}

func (s *Store) createTogether(ctx context.Context, calls []*writeCall) {
	sortByID(calls)
	made, err := s.written(ctx, s.sql.createMany, columnsOf(calls, true)...)
	if err != nil {
		fail(calls, s.wrap("create", err))
		return
	}
	for _, c := range calls {
		if c.Out.Version = c.In.version; !made[c.In.version] {
			c.Out, c.Err = driver.SaveResult{}, errExists
		}
	}
}

// fail gives the calls of a batch its error, or lets them run one by one, so that
// a bad one harms itself alone.
func fail(calls []*writeCall, err error) {
	for _, c := range calls {
		if c.Err, c.Apart = err, pgerr.Refused(err); c.Apart {
			c.Err = nil
		}
	}
}
