package pgstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

// A dueList is where rows are that a reaper has to look at, for all batches of a sweep. Dead rows stay in the
// index for as long as some transaction can see them, a backup say, and who searches it goes over all of them.
type dueList struct {
	mu       sync.Mutex
	at       texts // ctids
	complete bool  // the search found all there were, and each of them was dealt with
	progress bool  // one of them was dealt with
}

// ahead is how many rows one search is for. A larger batch has a search of its own.
const ahead = 10_000

// DeleteExpired implements [sessions.Store].
func (s *Store) DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error) {
	if limit >= ahead {
		deleted, more, err = s.deleteFirst(ctx, limit)
	} else {
		deleted, more, err = s.deleteListed(ctx, limit)
	}
	return deleted, err == nil && more, s.wrap("delete expired", err)
}

func (s *Store) deleteFirst(ctx context.Context, limit int) (deleted int, more bool, err error) {
	n, err := s.exec(ctx, s.sql.deleteFirst, limit)
	if err != nil || int(n) == limit {
		return int(n), true, err
	}
	// Those that were alive are still the first, and what is behind them was not looked at.
	moved, err := s.exec(ctx, s.sql.moveFirst, limit)
	return int(n), int(n+moved) >= limit, err
}

func (s *Store) deleteListed(ctx context.Context, limit int) (deleted int, more bool, err error) {
	batch := s.due.next(limit)
	if len(batch) == 0 {
		found, err := s.search(ctx)
		if err != nil || len(found) == 0 {
			return 0, false, err
		}
		batch = s.due.begin(found, limit)
	}
	n, err := s.exec(ctx, s.sql.deleteListed, batch)
	var moved int64
	if err == nil && int(n) < len(batch) {
		moved, err = s.exec(ctx, s.sql.moveListed, batch)
	}
	return int(n), s.due.end(batch, int(n+moved)), err
}

// search returns where the first rows are whose mark has come.
func (s *Store) search(ctx context.Context) (at texts, err error) {
	err = s.each(ctx, s.sql.search, func() { at = nil }, func(r rows) error {
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

// end notes how many rows of a batch were dealt with, and returns whether there may be more to do: rows
// that somebody held may be free by the next search, unless this one came to nothing but them.
func (d *dueList) end(batch texts, done int) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete = d.complete && done == len(batch)
	d.progress = d.progress || done > 0
	return len(d.at) > 0 || d.progress && !d.complete
}

// CountExpired implements [sessions.Store].
func (s *Store) CountExpired(ctx context.Context) (n int, err error) {
	err = s.db.queryRow(ctx, s.sql.countExpired).Scan(&n)
	return n, s.wrap("count expired", err)
}
