package mysqlstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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

func (w write) size() int { return len(w.Data) }

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
	// limit is a power of two: loads are prepared for as many keys.
	limit = 128
	// full is how many bytes of session data go together.
	full = 1 << 20
)

func newGroups(s *Store) *groups {
	g := &groups{crowd: coalesce.Crowd{Width: width, Connections: s.size}}
	setUp(g, &g.loads, "load", nil, s.loadAlone, s.loadTogether)
	setUp(g, &g.saves, "save", write.key, s.saveAlone, s.saveTogether)
	g.saves.Moot, g.saves.Size, g.saves.Full = overtaken, write.size, full
	setUp(g, &g.touches, "touch", write.key, s.touchAlone, s.touchTogether)
	setUp(g, &g.creates, "create", write.key, s.createAlone, s.createTogether)
	g.creates.Size, g.creates.Full = write.size, full
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

// apart lets the calls of a batch run one by one, so that each gets its own answer.
func apart[In, Out any](calls []*coalesce.Call[In, Out]) {
	for _, c := range calls {
		c.Apart = true
	}
}

// withKeys puts a place for each key into a query.
func withKeys[In, Out any](query string, calls []*coalesce.Call[In, Out], key func(In) sessions.RowKey) (string, []any) {
	places := 1
	for places < len(calls) {
		places *= 2 // so that few statements have to be prepared
	}
	keys := make([]any, places)
	for i := range keys {
		keys[i] = string(key(calls[min(i, len(calls)-1)].In))
	}
	return strings.Replace(query, "$KEYS", "?"+strings.Repeat(", ?", places-1), 1), keys
}

func (s *Store) loadTogether(ctx context.Context, calls []*coalesce.Call[sessions.RowKey, sessions.Record]) {
	query, keys := withKeys(s.sql.loadMany, calls, func(key sessions.RowKey) sessions.RowKey { return key })
	first, row := coalesce.First(calls), newReader()
	unreadable := false
	err := retry.Do(ctx, retry.Few, transient, func() error {
		for _, c := range calls {
			c.Out = sessions.Record{} // an earlier try was undone
		}
		return s.db.Query(ctx, query, keys, func(scan func(...any) error) error {
			r, err := row.read(scan)
			unreadable = err != nil
			if c := first[r.Key]; c != nil {
				c.Out = r
			}
			return err
		})
	})
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

var errUnfit = errors.New("not for a statement for many rows")

// changeAll runs a statement that changes the rows of all calls or, with an error, none.
func changeAll[Out any](ctx context.Context, s *Store, query string, calls []*coalesce.Call[write, Out], number func(write) int64) error {
	if len(calls) == 0 {
		return nil
	}
	text, ok := asJSON(calls, number)
	if !ok {
		return errUnfit
	}
	n, err := s.exec(ctx, query, text)
	if err == nil && n != int64(len(calls)) {
		return fmt.Errorf("the server changed %d rows in place of %d", n, len(calls))
	}
	return err
}

func version(w write) int64 { return int64(w.Version) }

// free returns the calls whose row nobody holds, and the versions of these rows; the others run
// apart. An UPDATE would wait for a row that is held, and who needs those it has locked by then would too.
func free[Out any](ctx context.Context, s *Store, calls []*coalesce.Call[write, Out]) (free []*coalesce.Call[write, Out], versions map[sessions.RowKey]sessions.Version, err error) {
	query, keys := withKeys(s.sql.freeMany, calls, func(w write) sessions.RowKey { return w.Key })
	versions = make(map[sessions.RowKey]sessions.Version, len(calls))
	err = s.db.Query(ctx, query, keys, func(scan func(...any) error) error {
		var key []byte
		var version sessions.Version
		err := scan(&key, &version)
		versions[sessions.RowKey(key)] = version
		return err
	})
	for _, c := range calls {
		if _, there := versions[c.In.Key]; there || err != nil {
			free = append(free, c)
		} else {
			c.Apart = true
		}
	}
	return free, versions, err
}

// saveTogether saves all rows whose version is that of their call.
func (s *Store) saveTogether(ctx context.Context, calls []*coalesce.Call[write, sessions.Version]) {
	free, versions, err := free(ctx, s, calls)
	if err == nil {
		free = slices.DeleteFunc(free, func(c *coalesce.Call[write, sessions.Version]) bool {
			late := versions[c.In.Key] != c.In.Version
			if late {
				c.Err = sessions.ErrConflict
			}
			return late
		})
		err = changeAll(ctx, s, s.sql.saveMany, free, version)
	}
	for _, c := range free {
		switch {
		case err == nil:
			c.Out = c.In.Version + 1
		case refused(err):
			c.Apart = true
		default:
			c.Err = s.wrap("save", err)
		}
	}
}

func (s *Store) touchTogether(ctx context.Context, calls []*coalesce.Call[write, struct{}]) {
	free, _, err := free(ctx, s, calls)
	if err == nil && len(free) > 0 {
		text, _ := asJSON(free, func(w write) int64 { return w.ttl.Throttle.Microseconds() })
		_, err = s.exec(ctx, s.sql.touchMany, text)
	}
	if refused(err) {
		apart(free)
		return
	}
	for _, c := range free {
		c.Err = s.wrap("touch", err)
	}
}

func (s *Store) createTogether(ctx context.Context, calls []*coalesce.Call[write, struct{}]) {
	for _, c := range calls {
		c.In.ttl.Idle = min(c.In.ttl.Idle, c.In.ttl.Absolute)
	}
	err := changeAll(ctx, s, s.sql.createMany, calls, func(w write) int64 { return w.ttl.Absolute.Microseconds() })
	if refused(err) {
		apart(calls)
		return
	}
	for _, c := range calls {
		c.Err = s.wrap("create", err)
	}
}

// refused holds for errors after which nothing of the statement was done and which may be about
// one row alone.
func refused(err error) bool {
	switch number(err) {
	case 0:
		return tooLarge(err) || errors.Is(err, errUnfit)
	case 1146, 1054, 1049, 1364: // unknown table, column, database; a column more, without default
		return false
	case 1053, 1180, 1317, 1927: // shutdown, error during COMMIT, interrupted, connection killed: it may have been committed
		return false
	}
	return advice(err) == ""
}
