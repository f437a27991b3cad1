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
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/wire"
)

// From is the system to take over.
type From struct {
	// Manager reads the old cookies and rows: one that [express.New] returned.
	// Required.
	//
	// [express.New]: https://pkg.go.dev/github.com/sqlsessions/sessions/express#New
	Manager *sessions.Manager

	// Until ends the take-over: later, old cookies mean nothing. Required.
	Until time.Time

	// UserKey is where an old session says whose it is, as names joined by dots:
	// "userId", "passport.user". The string or number found there is what
	// [sessions.Session.User] returns afterwards. Defaults to none.
	UserKey string

	// ImportedOnly takes only what [Import] has copied and leaves the old table
	// alone, so that it can be dropped. Manager's store may then be an empty memstore.
	// Set it after the last import. Defaults to false.
	ImportedOnly bool
}

// New is [sessions.New] for a manager that also accepts old cookies. A request
// without a session here that carries the old cookie of a live one moves that
// session here: it is stored here, removed from the old table, and goes on under
// this manager's cookie. A session that ended there stays ended. The error wraps
// [sessions.ErrInvalid].
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

const (
	// maxTries bounds how often a take-over meets other requests, and how often it
	// looks for what another one is about to store.
	maxTries = 40
	pause    = 20 * time.Millisecond
	// maxCollisions bounds the tries to make room in place of an expired row.
	maxCollisions = 3
)

// A predecessor is one manager's view of the system it takes over.
type predecessor struct {
	From
	old, here wire.Manager
}

var _ wire.Predecessor = (*predecessor)(nil)

func (p *predecessor) TakeOver(ctx context.Context, r *http.Request) (token string, row driver.Row, err error) {
	if !time.Now().Before(p.Until) {
		return "", driver.Row{}, sessions.ErrNotFound
	}
	tokens, _ := p.old.Protocol.Read(r)
	for _, old := range tokens {
		from := p.old.Protocol.Ref(old.Text)
		token = p.successor(from.Verifier)
		row, err = p.succeed(ctx, from, p.here.Protocol.Ref(token))
		if !errors.Is(err, sessions.ErrNotFound) {
			return token, row, err
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

// succeed returns the row here of an old session.
func (p *predecessor) succeed(ctx context.Context, old, next driver.Ref) (driver.Row, error) {
	if p.ImportedOnly {
		return p.useCopy(ctx, next)
	}
	aside := p.old.Protocol.Ref(setAside(old.Verifier))
	if err := p.claim(ctx, old, aside, next); err != nil {
		return driver.Row{}, err
	}
	for try := 0; ; try++ {
		row, doc, err := p.here.Load(ctx, next)
		if err == nil {
			if doc.Get(imported) != nil { // a copy, whose original is gone
				return driver.Row{}, sessions.ErrNotFound
			}
			return row, nil
		}
		if !errors.Is(err, sessions.ErrNotFound) {
			return driver.Row{}, err
		}
		// Another request may be about to store it.
		if _, err := p.old.Store.Load(ctx, aside); err != nil {
			return driver.Row{}, err
		}
		if try == maxTries { // its process has died
			return driver.Row{}, sessions.ErrNotFound
		}
		if err := sleep(ctx, pause); err != nil {
			return driver.Row{}, err
		}
	}
}

// useCopy makes a session of a copy that an import left.
func (p *predecessor) useCopy(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	for try := 0; ; try++ {
		row, doc, err := p.here.Load(ctx, ref)
		if err != nil {
			return driver.Row{}, err
		}
		if doc.Get(imported) == nil || try > maxTries {
			return row, nil
		}
		used := row
		used.Data = doc.Without(imported).Encode()
		if err = p.overwrite(ctx, row, used, p.life(row)); err != nil && !errors.Is(err, sessions.ErrConflict) {
			return driver.Row{}, err
		}
	}
}

// claim takes a session out of the old table and stores it here. Only the one
// request that sets the old row aside does so, and so nothing that ended here in the
// meantime can come back. If the process dies between the two, the session is lost.
func (p *predecessor) claim(ctx context.Context, old, aside, next driver.Ref) error {
	for try := 0; ; try++ {
		row, err := p.old.Store.Load(ctx, old)
		if errors.Is(err, sessions.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		moved, err := p.translate(row)
		if err != nil {
			p.here.Logger.Error("sessions: an old session can't be taken over and was left in its table", "id", row.ID, "error", err)
			return sessions.ErrNotFound
		}
		move := driver.SaveRequest{
			From: old, Version: row.Version, Verifier: aside.Verifier,
			User: row.User, Data: row.Data, Life: driver.Life{Idle: row.ExpiresIn},
		}
		result, err := p.old.Store.Save(ctx, move)
		switch {
		case errors.Is(err, sessions.ErrNotFound): // another request took it
			return nil
		case errors.Is(err, sessions.ErrConflict) && try < maxTries:
			continue
		case err != nil:
			return err
		}
		moved.Ref = next
		if err := p.adopt(ctx, moved, p.life(row)); err != nil {
			move.From, move.Version, move.Verifier = aside, result.Version, old.Verifier
			return p.putBack(ctx, move, err)
		}
		if err := p.old.End(ctx, aside); err != nil { // no token leads to it, and it will expire
			p.here.Logger.Warn("sessions: an old row was taken over and could not be deleted", "id", row.ID, "error", err)
		}
		return nil
	}
}

// putBack undoes a claim that failed with err, and returns the error to report.
func (p *predecessor) putBack(ctx context.Context, move driver.SaveRequest, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.here.Timeout)
	defer cancel()
	_, back := p.old.Store.Save(ctx, move)
	switch {
	case back == nil || errors.Is(back, sessions.ErrNotFound): // it expired
		return err
	case errors.Is(err, sessions.ErrNotFound): // which would say that there is no session
		return back
	}
	return errors.Join(err, back)
}

// life is how long what was taken over lives.
func (p *predecessor) life(row driver.Row) driver.Life {
	return driver.Life{Idle: min(max(row.ExpiresIn, time.Second), p.here.Lifetime), Absolute: p.here.Lifetime}
}

// adopt stores a session under the ID of its successor, over a copy if there is one.
func (p *predecessor) adopt(ctx context.Context, row driver.Row, life driver.Life) error {
	for try := 0; ; try++ {
		there, err := p.insert(ctx, row, life)
		if errors.Is(err, driver.ErrExists) && try < maxCollisions { // an expired one; no other request adopts this session now
			if err = p.here.End(ctx, row.Ref); err == nil {
				continue
			}
		}
		if err != nil || there == nil {
			return err
		}
		if there.Verifier != row.Verifier { // it was taken over before, and has a token of its own by now
			return sessions.ErrNotFound
		}
		err = p.overwrite(ctx, *there, row, life)
		if !errors.Is(err, sessions.ErrConflict) && !errors.Is(err, sessions.ErrNotFound) || try == maxCollisions {
			return err
		}
	}
}

// insert creates a row. If the ID has a live row already, it returns that one. One
// that has expired and was not reaped yet is ErrExists.
func (p *predecessor) insert(ctx context.Context, row driver.Row, life driver.Life) (there *driver.Row, err error) {
	_, err = p.here.Store.Create(ctx, driver.CreateRequest{Ref: row.Ref, User: row.User, Data: row.Data, Life: life})
	if !errors.Is(err, driver.ErrExists) {
		return nil, err
	}
	rows, listErr := p.here.Store.List(ctx, driver.ListRequest{ID: row.ID, Limit: 1})
	switch {
	case listErr != nil:
		return nil, listErr
	case len(rows) == 0:
		return nil, err
	}
	return &rows[0], nil
}

// overwrite puts the contents of another row into a live one.
func (p *predecessor) overwrite(ctx context.Context, there, contents driver.Row, life driver.Life) error {
	_, err := p.here.Store.Save(ctx, driver.SaveRequest{
		From: there.Ref, Version: there.Version, Verifier: there.Verifier,
		User: contents.User, Label: there.Label, Data: contents.Data, Life: life,
	})
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
