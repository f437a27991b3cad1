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
//     by Endings, Stats and Reap, and keeps its ID from Create. The application's
//     clock decides nothing.
//   - An ending is final. It must win over a statement that began before it and
//     finishes after it, and over a clock that is set back. So a store sets the
//     expiry of a row that ends to a constant in the distant past, and never to
//     the current time, which a touch that runs beside it could take for alive.
//   - A row keeps its ID for life. Its verifier changes when the session gets a
//     new token. End, EndAll and Reap act on the row, whatever its verifier is.
//   - IDs, verifiers, users and labels are compared byte by byte. An ID that is
//     not a canonical UUID names no row. Users and labels are at most 255 bytes of
//     UTF-8 without NUL; Create and Save answer ErrValue to others, which no row has.
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
// # Tables of other programs
//
// A store on a table that another program made, such as those of package express, keeps
// of this what the table has room for, and its documentation says what it does not keep.
// It may find rows by their verifiers and derive the IDs. It may delete a row that ends,
// which Endings then reports as gone, and end rows in any order, without a Last. It may
// ignore Reason, Keep, Mark, Grace, Pending, Newest and EndAllRequest.After, return no
// marks, never return a ReplacedError, decide by what a touch gains whether it is due, and
// leave times that it does not have at zero. What it does keep follows the rules above.
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
// it prints a placeholder, except as a map key in encoding/json, in unexported fields of
// other structs, and behind a pointer in another value that is printed with %s or %q.
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

	// Throttle is how long ago the row must last have been seen to be worth a write to
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

	// Pending reports that the row is not in use yet; see CreateRequest. Only List
	// returns such rows.
	Pending bool

	// Previous reports that Load found the row by the verifier before the one it has,
	// within its grace.
	Previous bool

	// By the store's clock. The times are for display only. The durations
	// decide: those until an expiry are more than zero.
	CreatedAt        time.Time
	LastSeenAt       time.Time     // of the last create, save or touch; zero: not known
	AuthenticatedAt  time.Time     // zero: never
	ExpiresIn        time.Duration // until the idle expiry
	AbsoluteIn       time.Duration // until the absolute expiry
	LastSeenAge      time.Duration // since LastSeenAt
	AuthenticatedAge time.Duration // since AuthenticatedAt
	VerifierAge      time.Duration // since the row got its verifier
}

// A Store keeps rows. See the package documentation for the rules that hold
// for every method.
type Store interface {
	// Load returns the live row that ref proves. ErrNotFound: there is no live row
	// with this ID, it is pending, or it has another verifier, which is a [*ReplacedError]
	// where the store finds rows by ID. ErrSchema: the row has a format that only a later
	// version of the program knows.
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

	// Touch moves the idle expiry forward if the row was last seen Throttle ago or
	// earlier, and leaves the version alone. ErrNotFound: no live row has this ID and
	// verifier. A nil error means that there was one when the statement ran, whether or
	// not it moved.
	Touch(ctx context.Context, req TouchRequest) (SaveResult, error)

	// End ends the live row with this ID, whatever its verifier has become. It empties
	// the data, forgets user, label and verifier, and changes the version. ErrNotFound:
	// there is no live row, or it is another user's. ErrConflict: it has another version.
	End(ctx context.Context, req EndRequest) error

	// EndAll notes the mark durably, if After is "" and there is one, and then ends up to
	// Limit live rows as End does, in the order of their IDs. The mark is committed before
	// the statement that ends rows begins, and hides no other, also none that is set at the
	// same time. When nothing is left that may be more, no row
	// that was selected and live when the first call began is live any more, Except apart.
	// ErrInvalid: not exactly one of User, Label and All is set, Limit is not more than
	// zero, or an ID in Except or After is not a canonical UUID; nothing ends then.
	EndAll(ctx context.Context, req EndAllRequest) (EndAllResult, error)

	// Marks returns the marks of the user, the label and of everything, in any order, but
	// for those that except the ID. It is one read by primary key. Of each user, of each
	// label and of everything, a store may forget the marks but the latest ten, or the
	// latest alone after marks with hundreds of exceptions. What it forgets becomes one mark
	// with the number 0, which excepts nothing and was set with the latest of them.
	Marks(ctx context.Context, req MarksRequest) ([]SetMark, error)

	// Endings returns the endings of those of the rows that are not live, in any order.
	// A store that finds rows by ID ignores the verifiers.
	Endings(ctx context.Context, refs []Ref) ([]Ending, error)

	// List returns up to Limit live rows in the byte order of their IDs, unless Newest
	// is set. ErrInvalid: not exactly one of ID, User, Label and All is set, or Limit is
	// not more than zero. An ID that names no row selects none.
	List(ctx context.Context, req ListRequest) ([]Row, error)

	// Stats counts the rows. It may read the whole table.
	Stats(ctx context.Context) (Stats, error)

	// Reap looks at up to Limit rows that may be past their time, skips those
	// that are locked, and deletes those that it proves dead, and past the time for which
	// they are kept, in the statement that deletes them. It may leave a dead row for up to
	// two hours. Callers on several machines share the work.
	Reap(ctx context.Context, req ReapRequest) (ReapResult, error)
}
