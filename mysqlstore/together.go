package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/coalesce"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A lookup is one row to load.
type lookup struct {
	driver.Ref
	id rowID
}

// A write is one row to write. A create has its ID in From, a touch only From and Life.
type write struct {
	driver.SaveRequest
	id rowID
}

type (
	loadCall  = coalesce.Call[lookup, driver.Row]
	writeCall = coalesce.Call[write, driver.SaveResult]
)

// groups send calls that would wait for a connection together.
type groups struct {
	crowd                   coalesce.Crowd
	loads                   coalesce.Group[lookup, driver.Row]
	saves, touches, creates coalesce.Group[write, driver.SaveResult]
}

const (
	// width is how many callers have a statement of their own. More at once
	// are slower than few that carry many, however many connections there are.
	width = 16
	// busy is how many statements run at once when calls go together.
	busy = 2
	// limit is a power of two: loads are prepared for as many keys.
	limit = 128
	// full is how many bytes of session data go together.
	full = 1 << 20
)

func newGroups(s *Store) *groups {
	g := &groups{crowd: coalesce.Crowd{Width: width, Connections: s.size}}
	setUp(g, &g.loads, "load", nil, s.loadAlone, s.loadTogether)
	setUp(g, &g.saves, "save", name, s.saveAlone, s.saveTogether)
	g.saves.Moot, g.saves.Size, g.saves.Full = overtaken, size, full
	setUp(g, &g.touches, "touch", name, s.touchAlone, s.touchTogether)
	setUp(g, &g.creates, "create", name, s.createAlone, s.createTogether)
	g.creates.Size, g.creates.Full = size, full
	return g
}

func (s *Store) size() int { return s.db.DB.Stats().MaxOpenConnections }

func name(w write) string { return string(w.From.ID) }

func size(w write) int { return len(w.Data) }

func setUp[In, Out any](all *groups, g *coalesce.Group[In, Out], doing string, key func(In) string,
	alone func(context.Context, In) (Out, error), together func(context.Context, []*coalesce.Call[In, Out]),
) {
	g.Crowd, g.Doing = &all.crowd, "mysqlstore: "+doing
	g.Busy, g.Limit = busy, limit
	g.Key, g.Alone, g.Together = key, alone, together
}

// overtaken spares the statement that could only find what the save that ended has
// met or replaced.
func overtaken(ended *writeCall, waits write) error {
	err := native.Overtaken(ended.In.SaveRequest, ended.Out, ended.Err, waits.SaveRequest)
	if err != nil {
		err = fmt.Errorf("mysqlstore: save: %w", err)
	}
	return err
}

// answer gives all calls the outcome of their statement. Those that may have harmed
// each other run alone, so each gets its own answer.
func answer[In, Out any](ctx context.Context, s *Store, doing string, calls []*coalesce.Call[In, Out], err error) {
	if err == nil {
		return
	}
	apart, err := myerr.Refused(err) || errors.Is(err, errUnfit), s.wrap(ctx, doing, err)
	for _, c := range calls {
		if c.Apart = apart; !apart {
			c.Err = err
		}
	}
}

// withKeys puts a place for each key into a query. The last key is repeated up to
// a power of two, so that few statements have to be prepared.
func withKeys(query string, keys []any) (string, []any) {
	places := 1
	for places < len(keys) {
		places *= 2
	}
	keys = slices.Concat(keys, slices.Repeat(keys[len(keys)-1:], places-len(keys)))
	return strings.Replace(query, "$KEYS", "?"+strings.Repeat(", ?", places-1), 1), keys
}

func (s *Store) loadTogether(ctx context.Context, calls []*loadCall) {
	keys := make([]any, 0, len(calls))
	first := make(map[rowID]int, len(calls)) // the first call for an ID
	next := make([]int, len(calls))          // the next call for the same ID, or 0
	for i, c := range slices.Backward(calls) {
		if next[i] = first[c.In.id]; next[i] == 0 {
			keys = append(keys, c.In.id[:])
		}
		first[c.In.id] = i
	}
	query, keys := withKeys(s.sql.loadMany, keys)
	missing := s.wrap(ctx, "load", driver.ErrNotFound)
	r := newReader()
	err := retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		for _, c := range calls {
			c.Out, c.Err = driver.Row{}, missing // whatever an earlier try found
		}
		return s.db.Query(ctx, query, keys, func(scan func(...any) error) error {
			if err := scan(r.dest[:]...); err != nil {
				return err
			}
			for i, more := first[r.id]; more; i, more = next[i], next[i] > 0 {
				calls[i].Out, calls[i].Err = r.proved(calls[i].In.Ref)
				if next[i] > 0 {
					r.data = slices.Clone(r.data) // the next caller's own
				}
			}
			return nil
		})
	})
	answer(ctx, s, "load", calls, err)
}

// free returns the calls whose row is there, has the verifier, and the version if
// that matters, and is not locked. A row that is not found may be locked, and its
// call runs alone: an UPDATE would wait for the row while holding the others, and
// their callers would wait too.
func (s *Store) free(ctx context.Context, doing string, calls []*writeCall, versions bool) (free []*writeCall) {
	keys := make([]any, len(calls))
	missing := make(map[rowID]*writeCall, len(calls))
	for i, c := range calls {
		keys[i] = c.In.id[:]
		missing[c.In.id] = c
	}
	query, keys := withKeys(s.sql.freeMany, keys)
	gone, moved := s.wrap(ctx, doing, driver.ErrNotFound), s.wrap(ctx, doing, driver.ErrConflict)
	var id rowID
	var verifier binary
	var version integer
	err := s.db.Query(ctx, query, keys, func(scan func(...any) error) error {
		if err := scan(&id, &verifier, &version); err != nil {
			return err
		}
		c := missing[id]
		delete(missing, id)
		switch {
		case !native.Proves(c.In.From.Verifier, driver.Verifier(verifier)):
			c.Err = gone
		case versions && c.In.Version != driver.Version(version):
			c.Err = moved
		default:
			free = append(free, c)
		}
		return nil
	})
	if err != nil {
		answer(ctx, s, doing, calls, err)
		return nil
	}
	for _, c := range missing {
		c.Apart = true
	}
	return free
}

// saveTogether saves all rows whose version is that of their call.
func (s *Store) saveTogether(ctx context.Context, calls []*writeCall) {
	free := s.free(ctx, "save", calls, true)
	mask := int64(native.NewVersion())
	if slices.ContainsFunc(free, renews) {
		s.changeAll(ctx, "save", s.sql.renewMany, free, (*array).row, mask)
	} else {
		s.changeAll(ctx, "save", s.sql.saveMany, free, (*array).save, mask)
	}
}

// renews reports whether a save changes what most saves leave alone.
func renews(c *writeCall) bool {
	return c.In.Verifier != c.In.From.Verifier || c.In.Life.Absolute > 0 || c.In.Authenticated
}

func (s *Store) createTogether(ctx context.Context, calls []*writeCall) {
	for _, c := range calls {
		c.In.Version = native.NewVersion()
	}
	s.changeAll(ctx, "create", s.sql.createMany, calls, (*array).row, 0)
}

// changeAll runs a statement that writes the rows of all calls or, with an error,
// none. Their versions change by the mask.
func (s *Store) changeAll(ctx context.Context, doing, query string, calls []*writeCall, put func(*array, *write), mask int64) {
	if len(calls) == 0 {
		return
	}
	var masks []any
	if mask != 0 {
		masks = []any{mask}
	}
	n, err := s.execMany(ctx, query, calls, put, masks...)
	if err == nil && n != int64(len(calls)) {
		err = fmt.Errorf("the server changed %d rows in place of %d", n, len(calls))
	}
	if err == nil {
		for _, c := range calls {
			c.Out.Version = c.In.Version ^ driver.Version(mask)
		}
	}
	answer(ctx, s, doing, calls, err)
}

func (s *Store) touchTogether(ctx context.Context, calls []*writeCall) {
	if free := s.free(ctx, "touch", calls, false); len(free) > 0 {
		_, err := s.execMany(ctx, s.sql.touchMany, free, (*array).touch)
		answer(ctx, s, "touch", free, err)
	}
}

// execMany runs a statement on the rows of all calls, which put adds to its array.
func (s *Store) execMany(ctx context.Context, query string, calls []*writeCall, put func(*array, *write), args ...any) (int64, error) {
	slices.SortFunc(calls, func(a, b *writeCall) int { return strings.Compare(string(a.In.From.ID), string(b.In.From.ID)) })
	size := 0
	for _, c := range calls {
		size += 256 + len(c.In.Data)*5/4
	}
	a := array{json: make([]byte, 0, size)}
	for _, c := range calls {
		put(&a, &c.In)
	}
	rows, err := a.done()
	if err != nil {
		return 0, err
	}
	var result sql.Result
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		result, err = s.once(ctx, query, append([]any{rows}, args...)...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
