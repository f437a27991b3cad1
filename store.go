package sessions

import (
	"context"
	"time"
)

// A RowKey is what a store finds a session by: for [New]'s managers the 32 bytes of the SHA-256 of
// the cookie's id, for package express the id itself. A store treats it as opaque bytes, compares it byte by byte, and
// never logs it: it formats as a placeholder (but not as a key of a map that
// becomes JSON, where encoding/json does not ask).
type RowKey string

// A Version tells one state of a row from the next. Only the store that made
// it can read anything into it.
type Version int64

// A Record is one row.
type Record struct {
	Key    RowKey
	Handle string // public name, unique in the table, never changed by Save
	User   string // whose session it is, or ""
	Data   []byte // one JSON object, given back byte for byte

	// Version is the state that Load or List saw, and the one that Save and
	// Rekey replace.
	Version Version

	// What Load and List report by the store's clock; ignored when writing.
	CreatedAt  time.Time     // for display, never to decide by
	ExpiresIn  time.Duration // until the row is dead unless touched, more than 0
	AbsoluteIn time.Duration // until the row is dead whatever happens, more than 0
}

// TTL says how long a row lives, counted by the store from the moment it runs
// the statement. The store keeps whole milliseconds or better.
type TTL struct {
	// Idle is how long the row lives from now, cut off at its absolute limit.
	Idle time.Duration
	// Absolute starts the absolute limit anew. Create needs it; for Rekey zero
	// keeps the limit (and the creation time) that the row has; Save and Touch
	// do not look at it.
	Absolute time.Duration
	// Throttle is the smallest extension that is worth a write to Touch.
	Throttle time.Duration
}

// A Store keeps rows. It is deliberately dumb: signing, encoding, merging and
// every decision about a session are the [Manager]'s.
//
// Rules for all methods: a row past its expiry or absolute limit, by the
// store's own clock, does not exist (DeleteExpired alone sees it). Time is read
// from one clock, the store's. Keys, handles and users are compared byte by
// byte. An error that is none of this package's sentinels means that the store could
// not answer, and then the statement may or may not have been carried out. A
// store may retry what its database rolled back (a deadlock), and must not
// retry what may have been carried out. Methods are safe for concurrent use.
// A call whose context ends may leave a statement running that it shares with other calls, until
// the latest deadline among them.
//
// Package storetest checks all of this; a store that passes can be used.
type Store interface {
	// Load returns the live row, or an error that wraps ErrNotFound.
	Load(ctx context.Context, key RowKey) (Record, error)

	// Create inserts a row and never changes one: ErrExists where the key or the
	// handle is taken, even by a dead row. The row's version is 1.
	Create(ctx context.Context, r Record, ttl TTL) error

	// Save replaces user and data of the live row r.Key if its version is
	// r.Version, sets its expiry, and returns the new version. ErrConflict: the
	// row has another version. ErrNotFound: there is no live row, and none is made.
	Save(ctx context.Context, r Record, ttl TTL) (Version, error)

	// Touch moves the expiry of the live row forward by the rule of TTL, never
	// backward, and leaves the version alone. It makes nothing and says nothing
	// about whether the row exists.
	Touch(ctx context.Context, key RowKey, ttl TTL) error

	// Rekey is Save that also gives the row the key r.Key and the handle r.Handle
	// in the same statement, so that exactly one of the two keys is live at any
	// moment. ErrExists: the new key or handle is taken.
	Rekey(ctx context.Context, from RowKey, r Record, ttl TTL) (Version, error)

	// Delete removes the row, dead or alive. No row is no error.
	Delete(ctx context.Context, key RowKey) error

	// DeleteHandle removes the live row with this handle, or returns ErrNotFound.
	DeleteHandle(ctx context.Context, handle string) error

	// DeleteUser removes all rows of a user, dead or alive, except those with the handles given, and
	// returns how many. Rows that a Rekey gives another key meanwhile are removed too.
	DeleteUser(ctx context.Context, user string, except []string) (int, error)

	// DeleteAll removes up to limit rows, dead or alive, and returns how many. A result below limit
	// says that every row that was there when it was called is gone, even if a Rekey gave it another
	// key meanwhile. To reach that it may remove more than limit.
	DeleteAll(ctx context.Context, limit int) (int, error)

	// DeleteExpired looks at up to limit rows that may be past their expiry, passing over
	// those that another statement holds, removes those that are, and returns how many, and
	// whether there may be more to look at. It may leave a dead row for up to two
	// hours. Callers on several machines share the work.
	DeleteExpired(ctx context.Context, limit int) (deleted int, more bool, err error)

	// CountExpired returns how many rows DeleteExpired, called until there are no
	// more, would remove by now.
	CountExpired(ctx context.Context) (int, error)

	// List returns up to limit live rows in the byte order of their handles,
	// beginning behind the handle after (""), and only those of user unless
	// that is "".
	List(ctx context.Context, user, after string, limit int) ([]Record, error)

	// Count returns how many live rows there are.
	Count(ctx context.Context) (int, error)
}
