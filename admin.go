package sessions

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/names"
	"github.com/sqlsessions/sessions/internal/signin"
)

// SessionsOf yields the live sessions of a user, for a page that shows where a
// user is signed in: by ID, so the older ones come first. They can be read with the same
// keys and changed with [Session.Save], but not given a new token. A session that can't
// be read is yielded empty, so that it can be revoked. An error ends the sequence. The
// user "" is refused with [ErrInvalid].
func (m *Manager) SessionsOf(ctx context.Context, user string) iter.Seq2[*Session, error] {
	if err := names.CheckUser(user, "SessionsOf needs a user; All lists everybody's"); err != nil {
		return func(yield func(*Session, error) bool) { yield(nil, err) }
	}
	return m.list(ctx, driver.ListRequest{User: user})
}

// All yields all live sessions by ID, reading a page of rows at a time.
func (m *Manager) All(ctx context.Context) iter.Seq2[*Session, error] {
	return m.list(ctx, driver.ListRequest{All: true})
}

func (m *Manager) list(ctx context.Context, req driver.ListRequest) iter.Seq2[*Session, error] {
	req.Limit = pageSize
	return func(yield func(*Session, error) bool) {
		for req := req; ; {
			rows, err := m.core.store.List(ctx, req)
			if err != nil {
				yield(nil, storeError("list", err))
				return
			}
			read := time.Now()
			for _, row := range rows {
				req.After = row.ID
				st, err := m.core.decode(row)
				if p := m.core.predecessor; row.Pending && err == nil && (p == nil || !p.Lives(row, st.base.Doc)) {
					continue // a sign-in that is not certain yet, or a copy of what has ended
				}
				st.read = read
				s := m.detached(ctx, st)
				if err != nil { // shown all the same, so that it can be revoked, but not overwritten
					now, _ := m.core.fresh(nil)
					s.state = state{row: row, read: read, base: now, now: now, user: row.User, id: row.ID}
					s.unreadable = fmt.Errorf("sessions: save: the session can't be read: %w: %w", ErrValue, err)
					s.err = s.unreadable
				}
				if !yield(s, nil) {
					return
				}
			}
			if len(rows) < pageSize {
				return
			}
		}
	}
}

// Revoke ends the session with this ID if it belongs to user, whatever its token has
// become. Otherwise the error wraps [ErrNotFound]. So the ID may come from a client, as
// long as user comes from your program: it ends no other user's session. An
// administrator passes the session's own user, which is "" for a visitor's. Check that
// the request has a user before you pass it on, or a visitor can end any visitor's
// session by its ID.
func (m *Manager) Revoke(ctx context.Context, user string, id ID) error {
	if !id.Valid() {
		return fmt.Errorf("sessions: revoke: %w: %.40q is no session's ID, which is a UUID in lower case", ErrNotFound, string(id))
	}
	if names.Check(user) != nil { // no session can have it
		return fmt.Errorf("sessions: revoke: %w", ErrNotFound)
	}
	err := m.core.store.End(ctx, driver.EndRequest{
		ID: id, User: &user, Reason: string(ReasonRevoked), Keep: m.core.options.KeepEnded,
	})
	if err == nil {
		m.core.watch.Ended(id, &EndedError{ReasonRevoked})
		m.destroyed(ctx, func(s *Session) bool { return s.state.id == id })
	}
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("sessions: revoke: %w", ErrNotFound)
	}
	return storeError("revoke", err)
}

// RevokeUser ends all sessions of a user except those given, usually the one that asks, and
// returns how many it ended, at least, also when an error stopped it: "log out
// everywhere". When it has returned without an error, no session of the user that began
// before it is live, and a sign-in that was under way fails with [ErrEnded]. So commit a
// new password before you call it. The user "" and an invalid ID in except are
// refused with [ErrInvalid].
//
// If ctx holds a session of this manager and it is among those that ended, it counts as
// destroyed for the rest of the request; see [Session.Destroy]. The request itself may sign
// the user in afterwards.
func (m *Manager) RevokeUser(ctx context.Context, user string, except ...ID) (int, error) {
	if err := names.CheckUser(user, "RevokeUser needs a user; RevokeAll ends everybody's sessions"); err != nil {
		return 0, err
	}
	return m.revoke(ctx, "revoke user", driver.EndAllRequest{User: user, Except: except})
}

// RevokeAll is RevokeUser for everybody, visitors included. A visitor's session that is
// being created at the same moment may stay; no user's does.
func (m *Manager) RevokeAll(ctx context.Context) (int, error) {
	return m.revoke(ctx, "revoke all", driver.EndAllRequest{All: true})
}

func (m *Manager) revoke(ctx context.Context, op string, req driver.EndAllRequest) (int, error) {
	req.Reason, req.Keep, req.Limit = string(ReasonRevokedUser), m.core.options.KeepEnded, pageSize
	req.Mark = driver.Mark{Number: 1 + rand.Int64N(math.MaxInt64), Keep: signin.MarkLife}
	if p := m.core.predecessor; p != nil { // an old cookie may be presented until then
		req.Mark.Keep = max(signin.MarkLife, time.Until(p.Until())+time.Hour)
	}
	if err := req.Check(); err != nil {
		return 0, fmt.Errorf("sessions: %s: %w", op, err)
	}
	if s := m.sessionOf(ctx); s != nil { // before it is known whether it succeeds
		s.mu.Lock()
		s.own = append(s.own, req.Mark.Number)
		s.mu.Unlock()
	}
	total, err := m.core.endAll(ctx, req)
	if err != nil {
		return total, storeError(op, err)
	}
	m.destroyed(ctx, func(s *Session) bool {
		return (req.All || s.state.row.User == req.User) && !slices.Contains(req.Except, s.state.row.ID)
	})
	return total, nil
}

// destroyed makes the session in ctx, if it has ended, a destroyed one.
func (m *Manager) destroyed(ctx context.Context, ended func(*Session) bool) {
	s := m.sessionOf(ctx)
	if s == nil || s.mayBegin("Revoke") != nil {
		return
	}
	if s.hold(context.Background()) == nil { // what a goroutine of the request saves at this moment may have ended too
		defer s.saving.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.stored() && !s.seal.over && ended(s) {
		s.destroyLocked()
	}
}

// EndedReason tells why the session that the request's cookie names has ended, for a
// sign-in page. It returns "" when there was no such session, it is live, or its ending
// is no longer kept ([Options].KeepEnded). It asks the store, so call it only where the
// answer is shown.
func (s *Session) EndedReason(ctx context.Context) (Reason, error) {
	s.lock()
	dead := s.others.dead
	s.mu.Unlock()
	if len(dead) == 0 {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.core.options.Timeout)
	defer cancel()
	endings, err := s.core.store.Endings(ctx, dead)
	if err != nil {
		return "", storeError("ended reason", err)
	}
	var last driver.Ending
	for _, e := range endings {
		if !e.Gone && !e.At.Before(last.At) {
			last = e
		}
	}
	if last.ID == "" {
		return "", nil
	}
	return reasonOf(last), nil
}

// Count returns how many sessions are live. It may read the whole table.
func (m *Manager) Count(ctx context.Context) (int, error) {
	stats, err := m.core.store.Stats(ctx)
	return stats.Live, storeError("count", err)
}
