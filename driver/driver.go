// Package driver is the contract between package sessions and a store. Only
// authors of stores need it; an application passes its store to
// [sessions.New] and never calls these methods.
//
// A store is deliberately simple. Signing, encoding, merging and every decision
// about a session are made by the manager. A store reads and writes rows, and
// compares times by its own clock.
//
// # Rules for every method
//
//   - A row is live until its idle expiry, its absolute expiry or its ending,
//     whichever comes first, by the store's clock. A row that is not live is seen
//     by Stats and Reap, keeps its ID from Create, and may be removed by End. The
//     application's clock decides nothing.
//   - A row keeps its ID for life. Its verifier changes when the session gets a
//     new token. End, EndAll and Reap act on the row, whatever its verifier is.
//   - IDs, verifiers, users and labels are compared byte by byte. An ID that is
//     not a canonical UUID names no row. Users and labels are at most 255 bytes of
//     UTF-8 without NUL.
//   - Errors wrap [ErrNotFound], [ErrExists], [ErrConflict], [ErrTooLarge],
//     [ErrSchema], [ErrValue] or [ErrInvalid] where the method says so. Any other
//     error means that the outcome is unknown: the statement may have been
//     carried out. A result that may be incomplete is such an error, never
//     ErrNotFound. Every method may return ErrSchema, if the table is missing or
//     does not fit, and every method that writes ErrTooLarge and ErrValue, if the
//     data is more or other than the database takes; nothing has happened then.
//   - A store may retry what its database has rolled back. It must not retry
//     what may have been carried out.
//   - When ctx ends, a method returns soon, with an error that wraps
//     context.Cause(ctx). A statement already sent may still take effect. A
//     statement that several calls share goes on until the last of their
//     deadlines.
//   - Methods are safe for concurrent use and keep nothing that a request
//     refers to (Data included) after they return.
//
// # What never changes
//
// A row's ID; the meaning of an ID, a user, a label and an expiry; that Create
// never changes a row and Save never makes one; that a row which is not live
// never becomes live again; that Touch leaves the version alone and everything
// else that writes a row changes it. A store may rely on these, and so may
// everything that is built on stores.
//
// # How the contract grows
//
// Within a major version no method is added to [Store] and no field of a
// request gets a new meaning. New behaviour comes as an optional interface that
// a store may implement, in the manner of [database/sql/driver]. A request
// field added later is set only for stores that implement the interface it came
// with, so a store that does not know it never sees it set. A result field
// added later means "not known" when it is zero. Build requests and results
// with field names.
//
// Package storetest checks all of this. A store that passes can be used.
//
// [sessions.New]: https://pkg.go.dev/github.com/sqlsessions/sessions#New
package driver

import (
	"context"
	"time"
)

// An ID names a session for its whole life. It is a UUID in canonical lower-case text,
// unique in the table: version 7 for a session that began here, version 8, a digest, for
// one that was taken over. It is public: it appears in device lists and logs, and opens
// nothing. Its timestamp is the application's and only keeps new rows together; never
// sort or decide by it.
type ID string

// A Verifier is what a store keeps of the secret in a client's token: the 32
// bytes of its SHA-256, or for the stores of package express the session ID of
// Express itself. A store treats it as opaque bytes and never logs it. Formatting
// it prints a placeholder, except as a map key in encoding/json and in unexported
// fields of other structs.
type Verifier string

// A Ref is how a client refers to a row: by its name and a proof. Native stores
// find the row by ID. Load compares the verifier in constant time, for example with
// [crypto/subtle.ConstantTimeCompare]; a write, which comes after a load, may have it
// in its condition. They refuse verifiers that have not 32 bytes, and an empty column
// proves nothing. A store whose table has no such ID may find the row by Verifier and
// derive the ID.
type Ref struct {
	ID       ID
	Verifier Verifier
}

// A Version tells one state of a row from every other. A store with a column
// for it picks a random number before it sends a write, so that after a lost
// answer the row can tell whether the write was carried out. Only the store
// that made it can interpret it. A live row's is never zero.
type Version int64

// A Life says how long a row lives, counted by the store from the moment it
// runs the statement. Stores keep whole milliseconds or better.
type Life struct {
	// Idle is how long the row lives unless it is used, cut off at the absolute
	// expiry. Always more than zero.
	Idle time.Duration

	// Absolute restarts the absolute expiry. Create requires it. For Save, zero
	// keeps the expiry that the row has. Touch ignores it. The stores of package
	// express, which have no absolute expiry, can get the largest Duration.
	Absolute time.Duration

	// Throttle is the smallest extension of the idle expiry worth a write to
	// Touch. Create and Save ignore it.
	Throttle time.Duration
}

// A Row is what Load and List return: one live row.
type Row struct {
	Ref     // with the verifier that the row has now
	Version Version
	User    string // whose session it is, or ""
	Label   string // the second indexed name, or ""

	// Data is one JSON object, byte for byte as it was written. List leaves it
	// nil for a row that a later version of the program wrote in a format that
	// this one does not know. Load returns ErrSchema for such a row.
	Data []byte

	// By the store's clock. The times are for display only. The durations
	// decide: both are more than zero.
	CreatedAt       time.Time
	AuthenticatedAt time.Time     // zero: never
	ExpiresIn       time.Duration // until the idle expiry
	AbsoluteIn      time.Duration // until the absolute expiry
}

// A CreateRequest is a row to insert.
type CreateRequest struct {
	Ref
	User, Label   string
	Data          []byte
	Life          Life
	Authenticated bool // set AuthenticatedAt to now
}

// A SaveRequest replaces a row's contents.
type SaveRequest struct {
	From    Ref     // the row must have this ID and this verifier,
	Version Version // and this version

	// Verifier is the row's verifier from now on. Equal to From.Verifier, it
	// stays. From the same instant From.Verifier finds nothing.
	Verifier Verifier

	User, Label   string
	Data          []byte
	Life          Life
	Authenticated bool // set AuthenticatedAt to now; otherwise it stays
}

// A SaveResult describes the row after Create, Save or Touch.
type SaveResult struct {
	Version Version // zero from Touch, which leaves it alone
}

// A TouchRequest moves a row's idle expiry forward, never backward.
type TouchRequest struct {
	Ref
	Life Life
}

// An EndRequest ends one row.
type EndRequest struct {
	ID ID

	// Verifier is the row's as far as the caller knows, or "". Only a store that
	// finds rows by verifier looks at it, which spares it a search for the ID.
	Verifier Verifier

	// User, unless nil, must be the row's user.
	User *string
}

// An EndAllRequest ends many rows. Exactly one of User, Label and All is set.
type EndAllRequest struct {
	User   string
	Label  string
	All    bool
	Except []ID // these stay
	Limit  int  // end at most this many in one call; always more than zero
}

// A ListRequest selects live rows. Exactly one of ID, User, Label and All is set.
type ListRequest struct {
	ID    ID
	User  string
	Label string
	All   bool
	After ID  // only rows with larger IDs; "" from the first
	Limit int // always more than zero
}

// Stats counts rows.
type Stats struct {
	Live int
	Dead int // what Reap, called until there is no more, would remove by now
}

// A ReapRequest bounds one call of Reap.
type ReapRequest struct {
	Limit int // rows to look at; always more than zero
}

// A ReapResult says what one call of Reap did.
type ReapResult struct {
	Deleted int
	More    bool // there may be more to look at
}

// A Store keeps rows. See the package documentation for the rules that hold
// for every method.
type Store interface {
	// Load returns the live row that ref proves. ErrNotFound: there is no live row
	// with this ID, or it has another verifier. ErrSchema: the row has a format
	// that only a later version of the program knows.
	Load(ctx context.Context, ref Ref) (Row, error)

	// Create inserts a row and never changes one. ErrExists: the ID is taken,
	// even by a row that is not live. ErrInvalid: the ID is no canonical UUID, or the
	// verifier can't be one.
	Create(ctx context.Context, req CreateRequest) (SaveResult, error)

	// Save replaces the live row's user, label, data, verifier and idle expiry.
	// ErrConflict: the row has another version. ErrNotFound: no live row has
	// this ID and verifier, whatever the version; none is made. ErrInvalid: the new
	// verifier can't be one. ErrExists, from a store that finds rows
	// by verifier: the new one is taken.
	Save(ctx context.Context, req SaveRequest) (SaveResult, error)

	// Touch moves the idle expiry forward if that gains Throttle or more, and
	// leaves the version alone. ErrNotFound: no live row has this ID and verifier.
	// A nil error means that there was one when the statement ran, whether or not
	// it moved.
	Touch(ctx context.Context, req TouchRequest) (SaveResult, error)

	// End ends the live row with this ID, whatever its verifier has become.
	// ErrNotFound: there is no live row, or it is another user's. A row that is
	// past its expiry may be removed all the same, so that its ID is free.
	End(ctx context.Context, req EndRequest) error

	// EndAll ends up to Limit live rows, in the order of their IDs, and returns how
	// many. Less than Limit: no row that was selected and live when the call began
	// is live any more, Except apart. ErrInvalid: not exactly one of User, Label
	// and All is set, Limit is not more than zero, or an ID in Except is not a
	// canonical UUID; nothing ends then.
	EndAll(ctx context.Context, req EndAllRequest) (int, error)

	// List returns up to Limit live rows in the byte order of their IDs.
	// ErrInvalid: not exactly one of ID, User, Label and All is set, or Limit is not
	// more than zero. An ID that names no row selects none.
	List(ctx context.Context, req ListRequest) ([]Row, error)

	// Stats counts the rows. It may read the whole table.
	Stats(ctx context.Context) (Stats, error)

	// Reap looks at up to Limit rows that may be past their time, skips those
	// that are locked, and deletes those that it proves dead in the statement
	// that deletes them. It may leave a dead row for up to two hours. Callers on
	// several machines share the work.
	Reap(ctx context.Context, req ReapRequest) (ReapResult, error)
}
