package wire

import (
	"context"
	"log/slog"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
)

// Package sessions sets these functions when it is initialised. They are variables
// because this package can't import it. A manager is a *sessions.Manager, a session
// a *sessions.Session, and options are sessions.Options.
var (
	// New is sessions.New with another protocol or with a predecessor. Either may be
	// nil. With a protocol, it ignores what the options say about the cookie, its
	// secrets and Lifetime.
	New func(store driver.Store, options any, p Protocol, from Predecessor) (manager any, err error)

	// Inside returns what is inside a manager.
	Inside func(manager any) Manager

	// AttributesOf and SetAttributes are about the cookie of one session.
	AttributesOf  func(session any) Attributes
	SetAttributes func(session any, a Attributes)
)

// A Manager is the inside of a *sessions.Manager.
type Manager struct {
	Store       driver.Store
	Protocol    Protocol
	Predecessor Predecessor // or nil

	// The options, with their defaults.
	Lifetime, AnonymousTimeout, TouchInterval, Timeout time.Duration

	MaxBytes int
	Logger   func() *slog.Logger // the one to use now

	// Load returns the live row that ref proves. A row that can't be read is logged
	// and counts as not there.
	Load func(ctx context.Context, ref driver.Ref) (driver.Row, document.Document, error)
	// Decode reads a row.
	Decode func(row driver.Row) (document.Document, Attributes, error)
	// End ends the session in the store, unless it has ended already.
	End func(ctx context.Context, ref driver.Ref) error
	// Token returns the token of the session with this ID and secret.
	Token func(id [16]byte, secret [32]byte) string
	// Error makes an error of package sessions from one of a store.
	Error func(doing string, err error) error
}
