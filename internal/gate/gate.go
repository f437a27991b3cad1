// Package gate lets the requests that write one session at the same time take turns, and has
// one statement carry what those that wait have done.
package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/deadline"
)

const (
	// MaxTries bounds how often one save runs into another's. Within a process saves take
	// turns, so only other machines can use them up.
	MaxTries = 40
	maxPause = 20 * time.Millisecond

	// together is how many saves one statement carries at most.
	together = 64

	// maxWaiting is how many saves of one session wait at most.
	maxWaiting = 1 << 13
)

// errFull is returned for a save that comes when maxWaiting others of its session wait.
var errFull = errors.New("too many saves of the session wait already")

// A Save is one that can put its changes on top of another's. No two of its methods are
// called at the same time.
type Save interface {
	Update(ctx context.Context) error
	// MayMerge reports whether another request saved first.
	MayMerge(err error) bool
	// Rebase loads the row again and puts the changes on top. It reports whether they still
	// change anything.
	Rebase(ctx context.Context) (changed bool, err error)

	// Joins reports whether another save's statement may carry the changes along.
	Joins() bool
	// Follows reports whether the changes can be put on top of what another save stores, and
	// Follow does so. Its error is the save's own.
	Follows(other Save) bool
	Follow(other Save) error
	// Carried takes over what became of the save whose statement carried the changes along.
	Carried(by Save, err error)
	// Shared reports whether any save would have met this error.
	Shared(err error) bool
	// Copy returns what the save would store, and Stored what it has stored. They do not
	// change any more.
	Copy() Save
	Stored() Save
}

// A Gate has a line for each session of which a save is made, or several together. Its zero
// value is ready.
type Gate struct {
	mu    sync.Mutex
	lines map[driver.ID]*line
}

// A line is of the saves that wait, in the order in which they came.
type line struct {
	turns []*turn
	gone  int // how many of them wait no more
}

// Run makes a save when it is its turn, alone or together with others. It runs again and
// again as long as another machine was first.
func (g *Gate) Run(ctx context.Context, id driver.ID, save Save) error {
	g.mu.Lock()
	l, others := g.lines[id]
	if !others {
		if g.lines == nil {
			g.lines = map[driver.ID]*line{}
		}
		g.lines[id] = &line{}
		g.mu.Unlock()
		return g.run(ctx, id, save, job{})
	}
	if n := len(l.turns) - l.gone; n >= maxWaiting {
		g.mu.Unlock()
		return fmt.Errorf("%w: %d", errFull, n)
	}
	t := &turn{save: save, inbox: make(chan message), left: make(chan struct{})}
	l.turns = append(l.turns, t)
	g.mu.Unlock()
	return g.wait(ctx, id, t)
}

// run makes a save, and the others of its job with it, and lets the next ones go.
func (g *Gate) run(ctx context.Context, id driver.ID, save Save, j job) error {
	defer func() { g.next(id, save, j) }() // also when a function of an update panics
	switch {
	case j.known && save.Follows(j.stored):
		if err := j.follow(ctx, save); err != nil {
			return err
		}
	case j.followed: // what it follows was not stored
		if changed, err := save.Rebase(ctx); err != nil || !changed {
			return err
		}
	}
	err := save.Update(ctx)
	switch {
	case len(j.with) == 0, save.MayMerge(err): // the others go next
	case err == nil || save.Shared(err):
		j.carried(save, err)
	default: // the error may concern one of them only, so they go one by one
		for _, t := range j.with {
			t.single = true
		}
		if err = save.Follow(j.stored); err == nil {
			err = save.Update(ctx)
		}
	}
	err = again(ctx, save, err)
	j.known, j.stored = err == nil, nil
	return err
}

// again makes a save again that another machine's was ahead of.
func again(ctx context.Context, save Save, err error) error {
	for try := 0; save.MayMerge(err) && try < MaxTries; try++ {
		if try > 0 {
			pause := time.Duration(rand.Int64N(int64(min(maxPause, time.Millisecond<<min(try, 10)))))
			if deadline.Sleep(ctx, pause) != nil {
				return err
			}
		}
		if changed, rebaseErr := save.Rebase(ctx); rebaseErr != nil || !changed {
			return rebaseErr
		}
		err = save.Update(ctx)
	}
	return err
}

// next starts those that are next in line: some that can go together, or one. What the job
// was to take along and did not comes first.
func (g *Gate) next(id driver.ID, save Save, j job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[id]
	if len(j.with) > 0 {
		for _, t := range j.with {
			if t.taken = false; t.isGone {
				l.gone++
			}
		}
		l.turns = slices.Concat(j.with, l.turns)
	}
	if len(l.turns) > 0 && j.known && j.stored == nil {
		j.stored = save.Stored()
	}
	for len(l.turns) > 0 {
		n := 1
		if j.joins(l.turns[0]) {
			for n < min(together, len(l.turns)) && j.joins(l.turns[n]) {
				n++
			}
		}
		turns := l.turns[:n:n]
		l.turns = l.turns[n:]
		for _, t := range turns {
			if t.taken = true; t.isGone {
				l.gone--
			}
		}
		// The last to come makes the save, because it has the most time.
		for n--; n >= 0; n-- {
			t := turns[n]
			if t.tell(message{job: &job{stored: j.stored, known: j.known, followed: t.followed, with: turns[:n:n]}}) {
				return
			}
		}
	}
	delete(g.lines, id)
}

// leave notes that a turn waits no more, and returns false if others may make its save already.
func (g *Gate) leave(id driver.ID, t *turn) bool {
	close(t.left) // before the lock, whose holder may be talking to it
	g.mu.Lock()
	defer g.mu.Unlock()
	t.isGone = true
	if t.taken {
		return false
	}
	// All who wait may leave at once, so each does not look for its place.
	if l := g.lines[id]; 2*l.gone < len(l.turns) {
		l.gone++
	} else {
		l.turns = slices.DeleteFunc(l.turns, func(t *turn) bool { return t.isGone })
		l.gone = 0
	}
	return true
}

// wait waits for a turn, or for the outcome if another makes the save.
func (g *Gate) wait(ctx context.Context, id driver.ID, t *turn) error {
	for {
		select {
		case m := <-t.inbox:
			if m.job != nil {
				return g.run(ctx, id, t.save, *m.job)
			}
			if over, err := t.do(m); over {
				return err
			}
		case <-ctx.Done():
			err := context.Cause(ctx)
			if g.leave(id, t) {
				return fmt.Errorf("waiting for other saves of the session: %w", err)
			}
			err = fmt.Errorf("waiting for a save that was made together with others: %w", err)
			t.save.Carried(t.save, err)
			return err
		}
	}
}
