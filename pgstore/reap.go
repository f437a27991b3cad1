package pgstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// A dueList has the places of the rows that a reaper has to check, for all batches of a
// sweep. Dead rows stay in the index for as long as some transaction can see them, for
// example a backup, and each search of the index reads past all of them.
type dueList struct {
	mu       sync.Mutex
	at       texts // ctids; the statements look at what they find there
	complete bool  // the search found all there were, and each of them was dealt with
	progress bool  // one of them was dealt with
}

// ahead is how many rows one search finds. A larger batch finds its rows by itself.
const ahead = 10_000

func (t *table) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	if req.Limit < ahead {
		return t.reapListed(ctx, req.Limit)
	}
	return t.reapFirst(ctx, req.Limit)
}

func (t *table) reapListed(ctx context.Context, limit int) (result driver.ReapResult, err error) {
	batch := t.due.next(limit)
	if len(batch) == 0 {
		found, err := t.search(ctx)
		if err != nil || len(found) == 0 {
			return result, err
		}
		batch = t.due.refill(found, limit)
	}
	done, err := t.reapBatch(ctx, &result, reap, postpone, batch, len(batch))
	result.More = t.due.done(batch, done) && err == nil
	return result, err
}

func (t *table) reapFirst(ctx context.Context, limit int) (result driver.ReapResult, err error) {
	done, err := t.reapBatch(ctx, &result, reapFirst, postponeFirst, limit, limit)
	// Rows that changed between search and lock are left out, so there may be more even
	// after a short batch.
	result.More = done > 0 && err == nil
	return result, err
}

// reapBatch deletes the dead rows of a batch, and moves the marks of those that are
// alive if there may be any.
func (t *table) reapBatch(ctx context.Context, result *driver.ReapResult, reap, postpone stmt.ID, batch any, size int) (done int, err error) {
	deleted, err := t.exec(ctx, reap, batch)
	result.Deleted = int(deleted)
	if err != nil || result.Deleted >= size {
		return result.Deleted, err
	}
	moved, err := t.exec(ctx, postpone, batch)
	return result.Deleted + int(moved), err
}

// search returns the places of the first rows that are due.
func (t *table) search(ctx context.Context) (at texts, err error) {
	err = t.each(ctx, retry.Few, search, func() { at = nil }, func(r rows) error {
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
		d.at = nil // the last batch frees the list
	}
	return batch
}

// refill makes a list of what a search found and takes a batch off it.
func (d *dueList) refill(found texts, limit int) texts {
	first := rand.IntN(len(found)) // reapers of other processes found the same
	d.mu.Lock()
	d.at = slices.Concat(found[first:], found[:first])
	d.complete, d.progress = len(found) < ahead, false
	d.mu.Unlock()
	return d.next(limit)
}

// done records how many rows of a batch were dealt with, and reports whether there may be
// more to do: rows that were locked may be free by the next search, unless locked rows are
// all that this one found.
func (d *dueList) done(batch texts, n int) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete = d.complete && n == len(batch)
	d.progress = d.progress || n > 0
	return len(d.at) > 0 || d.progress && !d.complete
}
