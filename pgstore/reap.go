package pgstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A dueList says where the rows are that a reaper has to look at, for all batches of a
// sweep. Dead rows stay in the index for as long as some transaction can see them, a
// backup for example, and each search of the index goes over all of them.
type dueList struct {
	mu       sync.Mutex
	at       texts // ctids: hints, for the statements look at what they find there
	complete bool  // the search found all there were, and each of them was dealt with
	progress bool  // one of them was dealt with
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
	n, err := s.exec(ctx, s.sql.reap, batch)
	result.Deleted = int(n)
	if err == nil && int(n) < len(batch) {
		var moved int64
		moved, err = s.exec(ctx, s.sql.move, batch)
		n += moved
	}
	result.More = s.due.end(batch, int(n)) && err == nil
	return result, because(ctx, s.wrap("reap", err))
}

// search returns where the first rows are whose mark has come.
func (s *Store) search(ctx context.Context, limit int) (at texts, err error) {
	err = s.each(ctx, retry.Few, s.sql.search, func() { at = nil }, func(r rows) error {
		at = append(at, "")
		return r.Scan(&at[len(at)-1])
	}, limit)
	return at, err
}

// next takes a batch off the list.
func (d *dueList) next(limit int) texts {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(limit, len(d.at))
	batch := d.at[:n]
	d.at = d.at[n:]
	if len(d.at) == 0 {
		d.at = nil // and with the last batch the list goes
	}
	return batch
}

// begin makes a list of what a search found and takes a batch off it.
func (d *dueList) begin(found texts, complete bool, limit int) texts {
	first := rand.IntN(len(found)) // reapers of other processes found the same
	d.mu.Lock()
	d.at = slices.Concat(found[first:], found[:first])
	d.complete, d.progress = complete, false
	d.mu.Unlock()
	return d.next(limit)
}

// end notes how many rows of a batch were dealt with, and returns whether there may be
// more to do: rows that were locked may be free by the next search, unless this one
// came to nothing but them.
func (d *dueList) end(batch texts, done int) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete = d.complete && done == len(batch)
	d.progress = d.progress || done > 0
	return len(d.at) > 0 || d.progress && !d.complete
}
