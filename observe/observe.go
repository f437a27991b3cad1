// Package observe reports what package sessions does, for metrics and for showing
// progress. It is to package sessions what net/http/httptrace is to net/http.
package observe

import (
	"context"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// An Observer is a set of functions to call. Each may be nil and then costs nothing.
// They are called in the goroutine that did the work, after it and without locks
// held, so they must be fast and safe for concurrent use. Nothing passed to them is
// secret. Fields may be added to every type of this package: write literals with
// field names.
type Observer struct {
	Refuse func(context.Context, Refuse) // a request looks like an attack
	Sweep  func(context.Context, Sweep)  // a reaper finished a batch
}

// A Refuse describes something that may be an attack. A client can bring it about with each
// request, so count it rather than write a line for each.
type Refuse struct {
	Why string    // "replaced token": one that was replaced more than 30 seconds ago
	ID  driver.ID // of the session
}

// A Sweep describes one batch of a reaper.
type Sweep struct {
	Deleted int
	Took    time.Duration
	Err     error
}
