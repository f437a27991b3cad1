package sessions

import (
	"fmt"

	"github.com/sqlsessions/sessions/internal/within"
)

// A seal says why a session must not be changed: its request is over, or the change comes
// from a function of [Key.Update], which runs again when the value has changed.
type seal struct {
	over    bool  // the request is over
	outcome error // what its last save returned
	late    error // the first change that came after it
	logged  bool  // that a change was refused
	// A logout that does not happen is logged even if another change was before.
	loggedDestroy bool
	updates       within.Func // the functions of Key.Update that run
}

// check returns why what must not be done now. A save runs functions of Update itself, so
// one that saved the session would wait for its own end.
func (l *seal) check(what string) error {
	switch {
	case l.updates.Inside():
		return fmt.Errorf("sessions: %s in the function of an Update: %w: return the new value, and do the rest before or after the Update", what, ErrInvalid)
	case l.over:
		return fmt.Errorf("sessions: %s: %w: its request is over, or was answered by the error handler; "+
			"wait for goroutines before the handler returns, or use Manager.Load; "+
			"put http.TimeoutHandler, and other middleware that answers before the handler has returned, outside of Manager.Handler", what, ErrTooLate)
	}
	return nil
}

// close notes that the request is over, if its last save has not done so. logged says that
// the log has why what comes later is lost.
func (l *seal) close(logged bool) {
	if !l.over {
		l.over, l.logged = true, l.logged || logged
		l.outcome = l.check("Save")
	}
}

// toLog reports whether the refusal of what has to be logged: once for a session, and once
// for Destroy.
func (l *seal) toLog(what string) bool {
	first := !l.logged
	if what == "Destroy" {
		first, l.loggedDestroy = !l.loggedDestroy, true
	}
	l.logged = true
	return first
}

// maxRuns bounds how often one Update runs its function because other goroutines of the
// request changed the value, so that one that waits for such a goroutine ends too.
const maxRuns = 1000

var errRestless = fmt.Errorf("%w: the session changed each of the %d times that the function of an Update ran; "+
	"it must not wait for what changes the session", ErrInvalid, maxRuns)
