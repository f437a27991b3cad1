package pgstore

import (
	"context"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/coalesce"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A write is one row to write.
type write struct {
	sessions.Record
	ttl sessions.TTL
}

// groups send calls that would wait for a connection together.
type groups struct {
	crowd   coalesce.Crowd
	loads   coalesce.Group[sessions.RowKey, sessions.Record]
	saves   coalesce.Group[write, sessions.Version]
	touches coalesce.Group[write, struct{}]
	creates coalesce.Group[write, struct{}]
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

func (w write) key() string { return string(w.Key) }

func (w write) size() int { return len(w.Data) }

// overtaken spares the statement that could only find that the row has moved on.
func overtaken(ended *coalesce.Call[write, sessions.Version], waits write) error {
	if ended.Err == nil && waits.Version < ended.Out {
		return sessions.ErrConflict
	}
	return nil
}

func setUp[In, Out any](all *groups, g *coalesce.Group[In, Out], doing string, key func(In) string,
	alone func(context.Context, In) (Out, error), together func(context.Context, []*coalesce.Call[In, Out]),
) {
	g.Crowd, g.Doing = &all.crowd, "pgstore: "+doing
	g.Busy, g.Limit = busy, limit
	g.Key, g.Alone, g.Together = key, alone, together
}

func (s *Store) loadTogether(ctx context.Context, calls []*coalesce.Call[sessions.RowKey, sessions.Record]) {
	keys := make(byteas, len(calls))
	for i, c := range calls {
		keys[i] = []byte(c.In)
	}
	first := coalesce.First(calls)
	unreadable := false
	begin := func() {
		for _, c := range calls {
			c.Out = sessions.Record{}
		}
	}
	err := s.each(ctx, s.sql.loadMany, begin, func(r rows) error {
		record, err := r.record()
		unreadable = err != nil
		if c := first[record.Key]; c != nil {
			c.Out = record
		}
		return err
	}, keys)
	for _, c := range calls {
		asked := first[c.In]
		switch {
		case unreadable || refused(err):
			c.Apart = true
		case err != nil:
			c.Err = s.wrap("load", err)
		case asked.Out.Key == "":
			c.Err = sessions.ErrNotFound
		case asked != c:
			c.Out = asked.Out
			c.Out.Data = slices.Clone(asked.Out.Data)
		}
	}
}

// each runs a query that may be run again where PostgreSQL undid it. Each try begins with
// begin: it can be undone after its rows came, when it is committed.
func (s *Store) each(ctx context.Context, query string, begin func(), take func(rows) error, args ...any) error {
	return retry.Do(ctx, retry.Few, transient, func() error {
		begin()
		found, err := s.db.query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			if err := take(found); err != nil {
				return err
			}
		}
		return found.Err()
	})
}

// keys runs a statement that returns keys of rows.
func (s *Store) keys(ctx context.Context, query string, args ...any) (keys map[sessions.RowKey]bool, err error) {
	err = s.each(ctx, query, func() { keys = map[sessions.RowKey]bool{} }, func(r rows) error {
		var key []byte
		err := r.Scan(&key)
		keys[sessions.RowKey(key)] = true
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// fields are those of many writes, side by side.
type fields struct {
	keys                               byteas
	handles, users, data               texts
	versions, idle, absolute, throttle int8s
}

func fieldsOf[Out any](calls []*coalesce.Call[write, Out]) (f fields) {
	slices.SortFunc(calls, func(a, b *coalesce.Call[write, Out]) int { return strings.Compare(string(a.In.Key), string(b.In.Key)) })
	for _, c := range calls {
		w := &c.In
		f.keys = append(f.keys, []byte(w.Key))
		f.handles, f.users, f.data = append(f.handles, w.Handle), append(f.users, w.User), append(f.data, string(w.Data))
		f.versions = append(f.versions, int64(w.Version))
		f.idle = append(f.idle, w.ttl.Idle.Microseconds())
		f.absolute = append(f.absolute, w.ttl.Absolute.Microseconds())
		f.throttle = append(f.throttle, w.ttl.Throttle.Microseconds())
	}
	return f
}

func (s *Store) saveTogether(ctx context.Context, calls []*coalesce.Call[write, sessions.Version]) {
	f := fieldsOf(calls)
	saved, err := s.keys(ctx, s.sql.saveMany, f.keys, f.idle, f.versions, f.users, f.data)
	if refused(err) {
		apart(calls)
		return
	}
	var now map[sessions.RowKey]sessions.Version
	if err == nil && len(saved) < len(calls) {
		now, err = s.versions(ctx, f.keys)
	}
	for _, c := range calls {
		version, there := now[c.In.Key]
		switch {
		case saved[c.In.Key]:
			c.Out = c.In.Version + 1
		case err != nil:
			c.Err = s.wrap("save", err)
		case !there:
			c.Err = sessions.ErrNotFound
		case version != c.In.Version:
			c.Err = sessions.ErrConflict
		default:
			c.Apart = true // somebody holds it
		}
	}
}

// versions returns those of the rows that are alive.
func (s *Store) versions(ctx context.Context, keys byteas) (versions map[sessions.RowKey]sessions.Version, err error) {
	err = s.each(ctx, s.sql.versions, func() { versions = map[sessions.RowKey]sessions.Version{} }, func(r rows) error {
		var key []byte
		var version int64
		err := r.Scan(&key, &version)
		versions[sessions.RowKey(key)] = sessions.Version(version)
		return err
	}, keys)
	return versions, err
}

func (s *Store) touchTogether(ctx context.Context, calls []*coalesce.Call[write, struct{}]) {
	f := fieldsOf(calls)
	held, err := s.keys(ctx, s.sql.touchMany, f.keys, f.idle, f.throttle)
	if refused(err) {
		apart(calls)
		return
	}
	for _, c := range calls {
		c.Err, c.Apart = s.wrap("touch", err), held[c.In.Key]
	}
}

func (s *Store) createTogether(ctx context.Context, calls []*coalesce.Call[write, struct{}]) {
	f := fieldsOf(calls)
	made, err := s.keys(ctx, s.sql.createMany, f.keys, f.idle, f.absolute, f.handles, f.users, f.data)
	if refused(err) {
		apart(calls)
		return
	}
	for _, c := range calls {
		if c.Err = s.wrap("create", err); err == nil && !made[c.In.Key] {
			c.Err = sessions.ErrExists
		}
	}
}

// refused holds for errors after which nothing of the statement was done and which may be
// about one row alone: a value, a constraint, somebody's change, a damaged page.
func refused(err error) bool {
	state := sqlState(err)
	if len(state) != 5 {
		return false
	}
	switch state[:2] {
	case "22", "23", "40", "XX":
		return state != "40003" // statement_completion_unknown
	}
	return state == "54001"
}

// apart lets the calls of a batch run one by one, so that a bad one harms itself alone.
func apart[In, Out any](calls []*coalesce.Call[In, Out]) {
	for _, c := range calls {
		c.Apart = true
	}
}
