package sessions

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sqlsessions/sessions/driver"
)

// pageSize is how many rows one statement lists.
const pageSize = 500

// SessionsOf yields the live sessions of a user, for a page that shows where a
// user is signed in: by ID, so the older ones come first. They can be read with the same
// keys and changed with [Session.Save], but not given a new token. A session that can't
// be read is yielded empty, so that it can be revoked. An error ends the sequence. The
// user "" is refused with [ErrInvalid].
func (m *Manager) SessionsOf(ctx context.Context, user string) iter.Seq2[*Session, error] {
	if err := namesUser(user, "SessionsOf needs a user; All lists everybody's"); err != nil {
		return func(yield func(*Session, error) bool) { yield(nil, err) }
	}
	return m.list(ctx, driver.ListRequest{User: user})
}

// namesUser returns an error that wraps [ErrInvalid] if no session can have this user.
func namesUser(user, otherwise string) error {
	if user == "" {
		return fmt.Errorf("%w: %s", ErrInvalid, otherwise)
	}
	if err := checkUser(user); err != nil {
		return fmt.Errorf("sessions: user: %w: %w", ErrInvalid, err)
	}
	return nil
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
			for _, row := range rows {
				req.After = row.ID
				st, err := m.core.decode(row)
				s := m.detached(st)
				if err != nil { // shown all the same, so that it can be revoked, but not overwritten
					now, _ := m.core.fresh(nil)
					s.state = state{row: row, base: now, now: now, user: row.User, id: row.ID}
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
	if checkUser(user) != nil { // no session can have it
		return fmt.Errorf("sessions: revoke: %w", ErrNotFound)
	}
	err := m.core.store.End(ctx, driver.EndRequest{ID: id, User: &user})
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("sessions: revoke: %w", ErrNotFound)
	}
	return storeError("revoke", err)
}

// RevokeUser ends all sessions of a user except those given, usually the one that
// asks, and returns how many it ended, also when an error stopped it: "log out
// everywhere". If the user is "" or an ID in except is not one, the error wraps
// [ErrInvalid] and nothing ends. A request that ends its own session this way should
// call [Session.Destroy] too, or what it stores afterwards meets [ErrEnded].
func (m *Manager) RevokeUser(ctx context.Context, user string, except ...ID) (int, error) {
	if err := namesUser(user, "RevokeUser needs a user; RevokeAll ends everybody's sessions"); err != nil {
		return 0, err
	}
	return m.endAll(ctx, "revoke user", driver.EndAllRequest{User: user, Except: except})
}

// RevokeAll is RevokeUser for everybody, visitors included.
func (m *Manager) RevokeAll(ctx context.Context) (int, error) {
	return m.endAll(ctx, "revoke all", driver.EndAllRequest{All: true})
}

func (m *Manager) endAll(ctx context.Context, op string, req driver.EndAllRequest) (int, error) {
	req.Limit = pageSize
	if err := req.Check(); err != nil {
		return 0, fmt.Errorf("sessions: %s: %w", op, err)
	}
	for total := 0; ; {
		n, err := m.core.store.EndAll(ctx, req)
		total += n
		if err != nil || n < pageSize {
			return total, storeError(op, err)
		}
	}
}

// Count returns how many sessions are live. It may read the whole table.
func (m *Manager) Count(ctx context.Context) (int, error) {
	stats, err := m.core.store.Stats(ctx)
	return stats.Live, storeError("count", err)
}
