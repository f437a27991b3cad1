package sessions

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// pageSize is how many rows one statement lists.
const pageSize = 500

// SessionsOf yields the live sessions of a user, for a page that shows where
// somebody is logged in. The sessions can be read and, with [Session.Save],
// changed, but not given a new id. One that can't be read is yielded empty, so that it can be
// revoked. An error ends the sequence. It takes as long as ctx lets it, as all of these methods.
func (m *Manager) SessionsOf(ctx context.Context, user string) iter.Seq2[*Session, error] {
	if user == "" {
		return func(yield func(*Session, error) bool) {
			yield(nil, fmt.Errorf("%w: SessionsOf needs a user; All lists everybody's", ErrOptions))
		}
	}
	return m.list(ctx, user)
}

// All yields all live sessions, a page of rows at a time.
func (m *Manager) All(ctx context.Context) iter.Seq2[*Session, error] { return m.list(ctx, "") }

func (m *Manager) list(ctx context.Context, user string) iter.Seq2[*Session, error] {
	return func(yield func(*Session, error) bool) {
		for after := ""; ; {
			rows, err := m.store.List(ctx, user, after, pageSize)
			if err != nil {
				yield(nil, m.storeError("list", err))
				return
			}
			for _, row := range rows {
				after = row.Handle
				st, err := m.decode(row)
				if err != nil { // shown all the same, so that it can be revoked
					st = state{row: row, user: row.User, handle: row.Handle}
				}
				if !yield(&Session{manager: m, state: st, cookie: cookieGone}, nil) {
					return
				}
			}
			if len(rows) < pageSize {
				return
			}
		}
	}
}

// Revoke ends the session with this handle. It does not ask whose it is: check
// first that the handle is one that [Manager.SessionsOf] yields for the user who
// asks. The error wraps [ErrNotFound] when there is no such session.
func (m *Manager) Revoke(ctx context.Context, handle string) error {
	err := m.store.DeleteHandle(ctx, handle)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("sessions: revoke: %w", ErrNotFound)
	}
	return m.storeError("revoke", err)
}

// RevokeUser ends all sessions of a user, but for those with the handles given
// (usually the one that asks), and returns how many rows it deleted, expired ones included:
// "log out everywhere".
// A request that ends its own session this way should call [Session.Destroy] too,
// or what it stores afterwards meets [ErrEnded].
func (m *Manager) RevokeUser(ctx context.Context, user string, except ...string) (int, error) {
	if user == "" {
		return 0, fmt.Errorf("%w: RevokeUser needs a user; RevokeAll ends everybody's sessions", ErrOptions)
	}
	n, err := m.store.DeleteUser(ctx, user, slices.Compact(slices.Sorted(slices.Values(except))))
	return n, m.storeError("revoke user", err)
}

// RevokeAll ends every session, in batches, and returns how many rows it
// deleted, also when an error stopped it.
func (m *Manager) RevokeAll(ctx context.Context) (int, error) {
	for total := 0; ; {
		n, err := m.store.DeleteAll(ctx, pageSize)
		total += n
		if err != nil || n < pageSize {
			return total, m.storeError("revoke all", err)
		}
	}
}

// Count returns how many sessions are live.
func (m *Manager) Count(ctx context.Context) (int, error) {
	n, err := m.store.Count(ctx)
	return n, m.storeError("count", err)
}
