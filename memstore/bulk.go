package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

func (s *memory) End(ctx context.Context, req driver.EndRequest) error {
	unlock, err := s.begin(ctx, "end")
	if err != nil {
		return err
	}
	defer unlock()
	now := s.now()
	row := s.rows[req.ID]
	switch {
	case row == nil || !row.live(now) || req.User != nil && *req.User != row.User:
		return driver.ErrNotFound
	case req.Version != 0 && req.Version != row.Version:
		return driver.ErrConflict
	}
	s.end(row, now, req.Reason, req.Keep)
	return nil
}

func (s *memory) EndAll(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
	if err := req.Check(); err != nil {
		return result, err
	}
	unlock, err := s.begin(ctx, "end all")
	if err != nil {
		return result, err
	}
	defer unlock()
	now := s.now()
	if req.Mark.Number != 0 && req.After == "" {
		s.mark(&req, now)
	}
	found := s.first(req.Limit, compareIDs, func(r *row) bool {
		// A row whose ID follows from its verifier may come to stand before those of the last page.
		return r.live(now) && (r.ID > req.After || derived(r.Ref)) && !slices.Contains(req.Except, r.ID) &&
			(req.All || req.User != "" && r.User == req.User || req.Label != "" && r.Label == req.Label)
	})
	for _, row := range found {
		s.end(row, now, req.Reason, req.Keep)
		result.Last = row.ID
	}
	result.Ended, result.More = len(found), len(found) == req.Limit
	return result, nil
}

// marks are those of one user, of one label or of everything, by [markName].
type marks struct {
	latest    []mark // the latest last
	keepUntil time.Time
}

type mark struct {
	number int64 // 0 stands for many
	set    time.Time
	except []driver.ID
}

// maxMarks is how many marks there are before all but the last become one.
const maxMarks = 50

func markName(user, label string) string {
	switch {
	case user != "":
		return "user " + user
	case label != "":
		return "label " + label
	}
	return "everything"
}

func (s *memory) mark(req *driver.EndAllRequest, now time.Time) {
	name := markName(req.User, req.Label)
	m := s.marks[name]
	switch last := len(m.latest) - 1; {
	case !m.keepUntil.After(now):
		m = marks{}
	case len(m.latest) == maxMarks:
		m.latest = []mark{{set: m.latest[last].set}}
	}
	m.latest = append(m.latest, mark{req.Mark.Number, now, slices.Clone(req.Except)})
	if until := now.Add(req.Mark.Keep); until.After(m.keepUntil) {
		m.keepUntil = until
	}
	s.marks[name] = m
}

func (s *memory) Marks(ctx context.Context, req driver.MarksRequest) (set []driver.SetMark, err error) {
	unlock, err := s.begin(ctx, "marks")
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := s.now()
	names := []string{markName("", ""), markName(req.User, ""), markName("", req.Label)}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !s.marks[name].keepUntil.After(now) {
			continue
		}
		for _, m := range s.marks[name].latest {
			if !slices.Contains(m.except, req.ID) {
				set = append(set, driver.SetMark{Number: m.number, Age: now.Sub(m.set)})
			}
		}
	}
	return set, nil
}

func (s *memory) Endings(ctx context.Context, refs []driver.Ref) (endings []driver.Ending, err error) {
	unlock, err := s.begin(ctx, "endings")
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := s.now()
	for _, ref := range refs {
		switch row := s.rows[ref.ID]; {
		case row == nil:
			endings = append(endings, driver.Ending{ID: ref.ID, Gone: true})
		case row.live(now):
		case row.ended.IsZero():
			endings = append(endings, driver.Ending{ID: ref.ID, Idle: row.expires.Before(row.absolute), At: row.expires})
		default:
			endings = append(endings, driver.Ending{ID: ref.ID, Reason: row.reason, At: row.ended})
		}
	}
	return endings, nil
}

func (s *memory) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	unlock, err := s.begin(ctx, "list")
	if err != nil {
		return nil, err
	}
	defer unlock()
	now, order := s.now(), compareIDs
	if req.Newest {
		order = newer
	}
	found := s.first(req.Limit, order, func(r *row) bool {
		return r.live(now) && r.ID > req.After &&
			(req.All || r.ID == req.ID || req.User != "" && r.User == req.User || req.Label != "" && r.Label == req.Label)
	})
	rows := make([]driver.Row, len(found))
	for i, row := range found {
		rows[i] = row.at(now)
	}
	return rows, nil
}

func (s *memory) Stats(ctx context.Context) (stats driver.Stats, err error) {
	unlock, err := s.begin(ctx, "stats")
	if err != nil {
		return stats, err
	}
	defer unlock()
	now := s.now()
	for _, row := range s.rows {
		switch {
		case row.live(now) && !row.Pending:
			stats.Live++
		case row.reapable(now):
			stats.Dead++
		case !row.ended.IsZero():
			stats.Ended++
		}
	}
	return stats, nil
}

func (s *memory) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	unlock, err := s.begin(ctx, "reap")
	if err != nil {
		return driver.ReapResult{}, err
	}
	defer unlock()
	now := s.now()
	found := s.first(req.Limit, compareIDs, func(r *row) bool { return r.reapable(now) })
	for _, row := range found {
		s.remove(row)
	}
	maps.DeleteFunc(s.marks, func(_ string, m marks) bool { return !m.keepUntil.After(now) })
	return driver.ReapResult{Deleted: len(found), More: len(found) == req.Limit}, nil
}

func compareIDs(a, b *row) int { return cmp.Compare(a.ID, b.ID) }

// first returns the first rows that match, up to limit.
func (s *memory) first(limit int, order func(a, b *row) int, match func(*row) bool) []*row {
	var found []*row
	for _, row := range s.rows {
		if match(row) {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, order)
	return found[:min(limit, len(found))]
}
