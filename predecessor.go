package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sqlsessions/sessions/internal/ops"
)

// takeOver returns the session that an old cookie of the request opens.
// ErrNotFound: there is none.
func (c *core) takeOver(ctx context.Context, r *http.Request) (state, error) {
	if c.predecessor == nil {
		return state{}, ErrNotFound
	}
	token, row, err := c.predecessor.TakeOver(ctx, r)
	if err != nil {
		return state{}, err
	}
	st, err := c.decode(row)
	if err != nil {
		return state{}, fmt.Errorf("the session just stored: %w", errors.Join(ErrValue, err))
	}
	st.token = token
	return st, nil
}

// noteOwnCookie notes in a session that was taken over, with this request's save, that the
// browser has sent the new cookie. The first note counts.
func (s *Session) noteOwnCookie() {
	if s.core.predecessor == nil {
		return
	}
	doc := s.state.base.Doc
	if name, value := s.core.predecessor.Note(s.state.row, doc); name != "" {
		s.recordLocked(ops.Once(name, doc.Get(name), value))
	}
}
