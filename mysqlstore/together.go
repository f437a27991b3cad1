package mysqlstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/coalesce"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A write is one row to write.
type write struct {
	sessions.Record
	ttl sessions.TTL
}

func (w write) key() string { return string(w.Key) }

// overtaken spares the statement that could only find that the row has moved on.
func overtaken(ended *coalesce.Call[write, sessions.Version], waits write) error {
	if ended.Err == nil && waits.Version < ended.Out {
		return sessions.ErrConflict
	}
	return nil
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
	// limit keeps a statement within some hundred kilobytes. It is a power of two: loads are
	// prepared for as many keys.
	limit = 64
)

func newGroups(s *Store) *groups {
	g := &groups{crowd: coalesce.Crowd{Width: width, Connections: s.size}}
	setUp(g, &g.loads, "load", nil, s.loadAlone, s.loadTogether)
	setUp(g, &g.saves, "save", write.key, s.saveAlone, s.saveTogether)
	g.saves.Moot = overtaken
	setUp(g, &g.touches, "touch", write.key, s.touchAlone, s.touchTogether)
	setUp(g, &g.creates, "create", write.key, s.createAlone, s.createTogether)
	return g
}

func (s *Store) size() int { return s.db.DB.Stats().MaxOpenConnections }

func setUp[In, Out any](all *groups, g *coalesce.Group[In, Out], doing string, key func(In) string,
	alone func(context.Context, In) (Out, error), together func(context.Context, []*coalesce.Call[In, Out]),
) {
	g.Crowd, g.Doing = &all.crowd, "mysqlstore: "+doing
	g.Busy, g.Limit = busy, limit
	g.Key, g.Alone, g.Together = key, alone, together
}

// apart runs the calls of a batch one by one, so that each gets its own answer.
func apart[In, Out any](ctx context.Context, calls []*coalesce.Call[In, Out], alone func(context.Context, In) (Out, error)) {
	for _, c := range calls {
		c.Out, c.Err = alone(ctx, c.In)
	}
}

func (s *Store) loadTogether(ctx context.Context, calls []*coalesce.Call[sessions.RowKey, sessions.Record]) {
	places := 1
	for places < len(calls) {
		places *= 2 // so that few statements have to be prepared
	}
	keys := make([]any, places)
	for i := range keys {
		keys[i] = string(calls[min(i, len(calls)-1)].In)
	}
	query := strings.Replace(s.sql.loadMany, "$KEYS", "?"+strings.Repeat(", ?", places-1), 1)
	first, row := coalesce.First(calls), newReader()
	err := retry.Do(ctx, retry.Few, transient, func() error {
		return s.db.Query(ctx, query, keys, func(scan func(...any) error) error {
			r, err := row.read(scan)
			if c := first[r.Key]; c != nil {
				c.Out = r
			}
			return err
		})
	})
	for _, c := range calls {
		asked := first[c.In]
		switch {
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

// asJSON makes the JSON that a statement for many rows takes, with one number of each
// beside its idle timeout. It returns false for what JSON can't carry as it is.
func asJSON[Out any](calls []*coalesce.Call[write, Out], number func(write) int64) (string, bool) {
	slices.SortFunc(calls, func(a, b *coalesce.Call[write, Out]) int { return strings.Compare(string(a.In.Key), string(b.In.Key)) })
	rows := make([][6]any, len(calls))
	for i, c := range calls {
		w := &c.In
		if !utf8.ValidString(w.Handle) || !utf8.ValidString(w.User) || !utf8.Valid(w.Data) {
			return "", false
		}
		rows[i] = [6]any{hex.EncodeToString([]byte(w.Key)), w.ttl.Idle.Microseconds(), number(*w), w.Handle, w.User, string(w.Data)}
		if w.User == "" {
			rows[i][4] = nil
		}
	}
	text, err := json.Marshal(rows)
	return string(text), err == nil
}

// saveTogether saves all rows or, when one of them has moved on or is no good, each by itself.
func (s *Store) saveTogether(ctx context.Context, calls []*coalesce.Call[write, sessions.Version]) {
	text, ok := asJSON(calls, func(w write) int64 { return int64(w.Version) })
	if ok {
		_, err := s.exec(ctx, s.sql.saveMany, text)
		if ok = !refused(err); ok {
			for _, c := range calls {
				if c.Err = s.wrap("save", err); err == nil {
					c.Out = c.In.Version + 1
				}
			}
		}
	}
	if !ok {
		apart(ctx, calls, s.saveAlone)
	}
}

func (s *Store) touchTogether(ctx context.Context, calls []*coalesce.Call[write, struct{}]) {
	text, _ := asJSON(calls, func(w write) int64 { return w.ttl.Throttle.Microseconds() })
	_, err := s.exec(ctx, s.sql.touchMany, text)
	for _, c := range calls {
		c.Err = s.wrap("touch", err)
	}
}

func (s *Store) createTogether(ctx context.Context, calls []*coalesce.Call[write, struct{}]) {
	for _, c := range calls {
		c.In.ttl.Idle = min(c.In.ttl.Idle, c.In.ttl.Absolute)
	}
	text, ok := asJSON(calls, func(w write) int64 { return w.ttl.Absolute.Microseconds() })
	if ok {
		_, err := s.exec(ctx, s.sql.createMany, text)
		if ok = !refused(err); ok {
			for _, c := range calls {
				c.Err = s.wrap("create", err)
			}
		}
	}
	if !ok {
		apart(ctx, calls, s.createAlone)
	}
}

// refused holds for errors of the server after which nothing of the statement was
// done and which may be about one row alone.
func refused(err error) bool { return number(err) != 0 || tooLarge(err) }
