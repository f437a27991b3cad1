package gate

import (
	"context"
	"errors"
)

// errSlow is returned for a save whose changes could not be put on top of another's in time.
var errSlow = errors.New("a function of an update took too long")

var errPanicked = errors.New("a function of an update panicked")

// A turn is a save that waits. What concerns it is done in the goroutine that waits, because
// a function of an update may panic.
type turn struct {
	save   Save
	inbox  chan message  // from the one that makes a save; without room
	left   chan struct{} // closed when it waits no more because its time was up
	single bool          // it failed together with others, and has to go alone

	followed bool // its save may be on top of others' that were not stored

	// Guarded by the gate's lock.
	taken  bool // out of the line, by a job
	isGone bool // its caller has gone on
}

// A message to a turn has a job, or something to do for the one that makes its save.
type message struct {
	job  *job
	do   func(Save) (over bool, err error) // over ends the wait
	done chan error                        // receives what do gave
	late chan struct{}                     // closed when that comes too late
}

// tell reports whether the turn was there to hear the message.
func (t *turn) tell(m message) bool {
	select {
	case t.inbox <- m:
		return true
	case <-t.left:
		return false
	}
}

// ask has the turn do something, and reports whether it has been done without an error.
func (t *turn) ask(ctx context.Context, do func(Save) (bool, error)) bool {
	m := message{do: do, done: make(chan error), late: make(chan struct{})}
	if !t.tell(m) {
		return false
	}
	select {
	case err := <-m.done:
		return err == nil
	case <-ctx.Done():
		close(m.late)
		return false
	}
}

// do does what a message wants, and says so also when a function of an update panics.
func (t *turn) do(m message) (over bool, err error) {
	over, err = true, errPanicked
	defer func() {
		select {
		case m.done <- err:
		case <-m.late:
			over, err = true, errSlow
		}
	}()
	over, err = m.do(t.save)
	return over, err
}

// A job is what one turn makes: a save, and others with it.
type job struct {
	stored   Save // what was stored last, if that is known; nil while it is the job's own
	known    bool
	followed bool    // as the turn that makes the save
	with     []*turn // whose changes are not carried yet
}

// joins reports whether a turn can be made together with others, on top of what was stored.
// The caller holds the gate's lock, without which the turn's own caller uses the save again.
func (j *job) joins(t *turn) bool {
	return j.known && !t.single && !t.isGone && t.save.Joins() && t.save.Follows(j.stored)
}

// follow puts the changes of all on top of each other, those of save last. The error is that
// of save's own; others whose changes fail have been told.
func (j *job) follow(ctx context.Context, save Save) error {
	last, there := j.stored, j.with[:0]
	for _, t := range j.with {
		before, after := last, Save(nil)
		t.followed = true
		if t.ask(ctx, func(s Save) (bool, error) {
			if err := s.Follow(before); err != nil {
				return true, err
			}
			after = s.Copy() // its caller may leave, and go on with the save
			return false, nil
		}) {
			there, last = append(there, t), after
		}
	}
	j.with = there
	return save.Follow(last)
}

// carried tells the others what became of the save that carried their changes.
func (j *job) carried(save Save, err error) {
	for _, t := range j.with {
		t.ask(context.Background(), func(s Save) (bool, error) {
			s.Carried(save, err)
			return true, err
		})
	}
	j.with = nil
}
