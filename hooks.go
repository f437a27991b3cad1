package sessions

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/ops"
	"github.com/sqlsessions/sessions/internal/token"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/internal/wire"
)

// Packages express and takeover use these parts of this package, which its documentation
// does not show.
func init() { //nolint:gochecknoinits // before any function of those packages runs
	wire.New = func(store driver.Store, options any, p wire.Protocol, from wire.Predecessor) (any, error) {
		return newManager(store, options.(Options), p, from)
	}
	wire.Inside = func(manager any) wire.Manager { return manager.(*Manager).inside() }
	wire.AttributesOf = func(session any) wire.Attributes {
		s := session.(*Session)
		s.lock()
		defer s.mu.Unlock()
		return s.state.now.Cookie
	}
	wire.SetAttributes = func(session any, a wire.Attributes) {
		s := session.(*Session)
		s.lock()
		defer s.mu.Unlock()
		if s.mayChangeLocked("SetCookie") {
			s.recordLocked(ops.SetCookie(a))
		}
	}
}

func (m *Manager) inside() wire.Manager {
	c := &m.core
	return wire.Manager{
		Store: c.store, Protocol: c.protocol, Predecessor: c.predecessor,
		Lifetime: c.options.Lifetime, TouchInterval: c.options.TouchInterval, Timeout: c.options.Timeout,
		AnonymousTimeout: c.options.AnonymousTimeout, MaxBytes: c.options.MaxBytes, Logger: c.options.logger,
		Load: func(ctx context.Context, ref driver.Ref) (driver.Row, document.Document, error) {
			st, err := c.load(ctx, ref)
			return st.row, st.base.Doc, err
		},
		Decode: func(row driver.Row) (document.Document, wire.Attributes, error) {
			st, err := c.decode(row)
			return st.base.Doc, st.base.Cookie, err
		},
		End: func(ctx context.Context, ref driver.Ref) error {
			return c.end(ctx, ref, c.options.KeepEnded, ReasonRevoked)
		},
		Error: storeError,
		Token: func(id [uuid.Size]byte, secret [sha256.Size]byte) string {
			t := token.Token(slices.Concat(id[:], secret[:]))
			return t.Text()
		},
	}
}
