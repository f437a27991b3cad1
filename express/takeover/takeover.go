// Package takeover moves the sessions of an Express application to a store of
// this module for good, without logging users out.
//
//	old, err := express.New(oldStore, express.Options{Secrets: []string{secret}})
//	...
//	manager, err := takeover.New(store, sessions.Options{Secrets: secrets}, takeover.From{
//		Manager: old,
//		Until:   time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC),
//	})
//
// docs/express.md is the guide.
package takeover

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/seldom"
	"github.com/sqlsessions/sessions/internal/wire"
)

// Reason is why a session ended in the old table: it goes on in the new one.
const Reason sessions.Reason = "taken over"

// From is the system to take over.
type From struct {
	// Manager reads the old cookies and rows: one that [express.New] returned.
	// Required.
	//
	// [express.New]: https://pkg.go.dev/github.com/sqlsessions/sessions/express#New
	Manager *sessions.Manager

	// Until ends the take-over: later, old cookies mean nothing. Until then the table
	// remembers which sessions were taken over, so that one which ends stays ended. So
	// don't make it later once the take-over has begun. Every manager on the table that
	// revokes users needs From with the same Until, in an administrator's tool too: what
	// one without From revokes is remembered for 24 hours, and an old session that was
	// not taken over by then can be. Required.
	Until time.Time

	// UserKey is where an old session says whose it is, as names joined by dots:
	// "userId", "passport.user". The string or number found there is what
	// [sessions.Session.User] returns afterwards; a session without one is a visitor's.
	// Defaults to none: then it is what [sessions.Session.SetUser] was given while the
	// table was shared.
	UserKey string

	// ImportedOnly takes only what [Import] has copied and leaves the old table
	// alone, so that it can be dropped. Manager's store may then be an empty memstore.
	// Set it after the last import. Defaults to false.
	ImportedOnly bool
}

// New is [sessions.New] for a manager that also accepts old cookies. A request
// without a session here that carries the old cookie of a live one moves that
// session here: it is stored here, removed from the old table, and goes on under
// this manager's cookie. The old cookie opens it too, until a minute after the browser
// first sent the new one.
//
// A session that ended stays ended, wherever it ended: neither the old cookie brings it
// back, nor a late save of the Express application, nor another import.
// [sessions.Manager.RevokeUser] and [sessions.Manager.RevokeAll] also end what was not
// taken over yet, if the manager that revokes has From, and [sessions.Session.Destroy] and [sessions.Session.SetUser] what the
// request's old cookie opens. The error wraps [sessions.ErrInvalid].
func New(store sessions.Store, options sessions.Options, from From) (*sessions.Manager, error) {
	if err := from.check(); err != nil {
		return nil, err
	}
	p := &predecessor{From: from, old: wire.Inside(from.Manager)}
	m, err := wire.New(store, options, nil, p)
	if err != nil {
		return nil, err
	}
	manager := m.(*sessions.Manager)
	p.here = wire.Inside(manager)
	return manager, nil
}

func (f *From) check() error {
	var errs []error
	invalid := func(text string) { errs = append(errs, fmt.Errorf("takeover: %w: %s", sessions.ErrInvalid, text)) }
	if f.Manager == nil {
		invalid("From.Manager is nil; give the one that express.New returns")
	} else if !wire.Inside(f.Manager).Protocol.Policy().Endless { // what its table holds must not open a session here
		invalid("From.Manager is one of sessions.New; give the one that express.New returns")
	}
	if f.Until.IsZero() {
		invalid("From.Until is zero; give the time from which old cookies mean nothing, such as a month from now")
	}
	return errors.Join(errs...)
}

// A predecessor is one manager's view of the system it takes over.
type predecessor struct {
	From
	old, here wire.Manager
	noUser    sync.Once

	damaged, unfitted, behind seldom.Line // what clients can have logged as often as they like
}

var _ wire.Predecessor = (*predecessor)(nil)

func (p *predecessor) Until() time.Time { return p.From.Until }

// margin is what the clock of the program and that of the database may differ by.
const margin = time.Hour

// keep is how long a row is kept at least: until the old cookie that leads to it means
// nothing, so that its session can't begin again.
func (p *predecessor) keep() time.Duration { return max(time.Until(p.From.Until), 0) + margin }

func (p *predecessor) over() bool { return !time.Now().Before(p.From.Until) }

func (p *predecessor) TakeOver(ctx context.Context, r *http.Request) (token string, row driver.Row, err error) {
	if p.over() {
		return "", driver.Row{}, sessions.ErrNotFound
	}
	tokens, _ := p.old.Protocol.Read(r)
	for _, old := range tokens {
		s := p.successor(p.old.Protocol.Ref(old.Text))
		row, err = s.takeOver(ctx)
		if !errors.Is(err, sessions.ErrNotFound) {
			return s.token, row, err
		}
	}
	return "", driver.Row{}, sessions.ErrNotFound
}

func (p *predecessor) Drop(r *http.Request, secure bool) (name, line string) {
	attributes, err := p.old.Protocol.Fresh(r)
	if err != nil {
		return "", ""
	}
	return p.old.Protocol.Name(), p.old.Protocol.Line("", attributes, 0, secure)
}

// reported adds to an error of the old store where it comes from.
func reported(err error) error {
	if err == nil {
		return nil
	}
	return &wire.OldError{Err: err}
}
