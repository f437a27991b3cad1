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
	at       texts // ctids; the statements look at what they find there
	complete bool  // the search found all there were, and each of them was dealt with
	progress bool  // one of them was dealt with
}

// ahead is how many rows one search is for. A larger batch finds its rows by itself.
const ahead = 10_000

// Reap implements [driver.Store].
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (result driver.ReapResult, err error) {
	if req.Limit < ahead {
		result, err = s.reapListed(ctx, req.Limit)
	} else {
		result, err = s.reapFirst(ctx, req.Limit)
	}
	return result, because(ctx, s.wrap("reap", err))
}

func (s *Store) reapListed(ctx context.Context, limit int) (result driver.ReapResult, err error) {
	batch := s.due.next(limit)
	if len(batch) == 0 {
		found, err := s.search(ctx)
		if err != nil || len(found) == 0 {
			return result, err
		}
		batch = s.due.begin(found, limit)
	}
	done, err := s.reapBatch(ctx, &result, s.sql.reap, s.sql.move, batch, len(batch))
	result.More = s.due.end(batch, done) && err == nil
	return result, err
}

func (s *Store) reapFirst(ctx context.Context, limit int) (result driver.ReapResult, err error) {
	done, err := s.reapBatch(ctx, &result, s.sql.reapFirst, s.sql.moveFirst, limit, limit)
	// Rows that changed between search and lock are left out, so even a short batch may
	// have more behind it.
	result.More = done > 0 && err == nil
	return result, err
}

// reapBatch deletes the dead rows of a batch, and moves the marks of those that are
// alive if there may be any.
func (s *Store) reapBatch(ctx context.Context, result *driver.ReapResult, reap, move string, batch any, size int) (done int, err error) {
	deleted, err := s.exec(ctx, reap, batch)
	result.Deleted = int(deleted)
	if err != nil || result.Deleted >= size {
		return result.Deleted, err
	}
	moved, err := s.exec(ctx, move, batch)
	return result.Deleted + int(moved), err
}

// search returns where the first rows are whose mark has come.
func (s *Store) search(ctx context.Context) (at texts, err error) {
	err = s.each(ctx, retry.Few, s.sql.search, func() { at = nil }, func(r rows) error {
		at = append(at, "")
		return r.Scan(&at[len(at)-1])
	}, ahead)
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
func (d *dueList) begin(found texts, limit int) texts {
	first := rand.IntN(len(found)) // reapers of other processes found the same
	d.mu.Lock()
	d.at = slices.Concat(found[first:], found[:first])
	d.complete, d.progress = len(found) < ahead, false
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
