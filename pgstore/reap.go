package pgstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A dueList has the rows that a reaper has to look at, for all batches of a sweep. Dead
// rows stay in the index for as long as some transaction can see them, a backup for
// example, and each search of the index goes over all of them.
type dueList struct {
	mu       sync.Mutex
	ids      []string
	complete bool // the search found all there were, and each of them was dealt with
	progress bool // one of them was dealt with
}

// ahead is how many rows one search is for, unless a batch is larger.
const ahead = 10_000

// Reap implements [driver.Store].
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (result driver.ReapResult, err error) {
	batch := s.due.next(req.Limit)
	if len(batch) == 0 {
		found, err := s.search(ctx, max(req.Limit, ahead))
		if err != nil || len(found) == 0 {
			return result, because(ctx, s.wrap("reap", err))
		}
		batch = s.due.begin(found, len(found) < max(req.Limit, ahead), req.Limit)
	}
	list := array(batch)
	n, err := s.exec(ctx, s.sql.reap, list)
	result.Deleted = int(n)
	if err == nil && int(n) < len(batch) {
		var moved int64
		moved, err = s.exec(ctx, s.sql.move, list)
		n += moved
	}
	result.More = s.due.end(batch, int(n)) && err == nil
	return result, because(ctx, s.wrap("reap", err))
}

// search returns the first rows whose mark has come.
func (s *Store) search(ctx context.Context, limit int) (ids []string, err error) {
	err = s.each(ctx, retry.Few, s.sql.search, func() { ids = nil }, func(r rows) error {
		ids = append(ids, "")
		return r.Scan(&ids[len(ids)-1])
	}, limit)
	return ids, err
}

// next takes a batch off the list.
func (d *dueList) next(limit int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(limit, len(d.ids))
	batch := d.ids[:n]
	d.ids = d.ids[n:]
	if len(d.ids) == 0 {
		d.ids = nil // and with the last batch the list goes
	}
	return batch
}

// begin makes a list of what a search found and takes a batch off it.
func (d *dueList) begin(found []string, complete bool, limit int) []string {
	first := rand.IntN(len(found)) // reapers of other processes found the same
	d.mu.Lock()
	d.ids = slices.Concat(found[first:], found[:first])
	d.complete, d.progress = complete, false
	d.mu.Unlock()
	return d.next(limit)
}

// end notes how many rows of a batch were dealt with, and returns whether there may be
// more to do: rows that were locked may be free by the next search, unless this one
// came to nothing but them.
func (d *dueList) end(batch []string, done int) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete = d.complete && done == len(batch)
	d.progress = d.progress || done > 0
	return len(d.ids) > 0 || d.progress && !d.complete
}
