package driver

import (
	"fmt"
	"time"

	"github.com/sqlsessions/sessions/internal/uuid"
)

// A CreateRequest is a row to insert.
type CreateRequest struct {
	Ref
	User, Label   string
	Data          []byte
	Life          Life
	Authenticated bool // set AuthenticatedAt to now

	// Pending makes a row that Load does not find until a Save makes it an ordinary
	// one. In everything else it is like a live one: it can be listed, saved, touched
	// and ended. Count leaves it out.
	Pending bool

	// Keep is how long Reap leaves the row at least, counted from now, however it ends.
	Keep time.Duration
}

// A SaveRequest replaces a row's contents.
type SaveRequest struct {
	From    Ref     // the row must have this ID and this verifier,
	Version Version // and this version

	// Verifier is the row's verifier from now on. Equal to From.Verifier, it
	// stays. Otherwise From.Verifier finds nothing from the same instant, except as Grace
	// says, and neither does an earlier one that still had a grace.
	Verifier Verifier

	// Grace is how long Load still accepts From.Verifier if Verifier is another. Nothing
	// prolongs it. Zero: not at all.
	Grace time.Duration

	User, Label   string
	Data          []byte
	Life          Life
	Authenticated bool // set AuthenticatedAt to now; otherwise it stays
	Pending       bool // the row stays pending; false makes it an ordinary one
}

// A SaveResult describes the row after Create, Save or Touch.
type SaveResult struct {
	Version Version // zero from Touch, which leaves it alone
}

// A TouchRequest notes that a row was used, and moves its idle expiry forward, never
// backward.
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

	// Version, unless zero, must be the row's.
	Version Version

	Reason string        // why, in a few words, which Endings returns
	Keep   time.Duration // how long Endings returns it; Reap leaves the row for that long
}

// An EndAllRequest ends many rows. Exactly one of User, Label and All is set.
type EndAllRequest struct {
	User   string
	Label  string
	All    bool
	Except []ID   // these stay
	After  ID     // only rows with larger IDs; "" from the first
	Limit  int    // end at most this many in one call; always more than zero
	Reason string // as in EndRequest
	Keep   time.Duration
	Mark   Mark // noted before the first row ends, unless its Number is zero
}

// A Mark notes that everything which an EndAllRequest selects was revoked at a certain
// time, Except apart.
type Mark struct {
	Number int64         // a random one, by which the request that set the mark recognises it
	Keep   time.Duration // how long Marks returns it, and the earlier marks of the same name, at least
}

// An EndAllResult says what one call of EndAll did.
type EndAllResult struct {
	Ended int
	More  bool // there may be more after Last
	Last  ID   // the last row that was looked at
}

// A MarksRequest asks for the marks that a row could be under.
type MarksRequest struct {
	ID          ID
	User, Label string // "" for none
}

// A SetMark is a mark that was set, and how long ago that was by the store's clock.
type SetMark struct {
	Number int64 // 0 if it stands for several
	Age    time.Duration
}

// An Ending is what is known of a row that is not live.
type Ending struct {
	ID     ID
	Reason string    // as given to End or EndAll; "" for a row that expired or is not there
	Gone   bool      // the row is not there
	Idle   bool      // it expired by its idle expiry, not by its absolute one
	At     time.Time // when, for display; zero if the row is not there
}

// A ListRequest selects live rows. Exactly one of ID, User, Label and All is set.
type ListRequest struct {
	ID    ID
	User  string
	Label string
	All   bool
	After ID  // only rows with larger IDs; "" from the first
	Limit int // always more than zero

	// Newest lists the rows of a user by the time of authentication, that of creation
	// where there is none, and the ID, from the newest to the oldest, and then the pending
	// ones. It needs User and no After.
	Newest bool
}

// Stats counts rows. Marks are not counted.
type Stats struct {
	Live  int // pending ones are not counted
	Ended int // ended, and still kept
	Dead  int // what Reap, called until there is no more, would remove by now
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

// Valid reports whether the ID is a UUID in canonical lower-case text. No other
// ID names a row, so there is no need to ask the store about one.
func (id ID) Valid() bool {
	_, ok := uuid.Parse(string(id))
	return ok
}

// Check returns an error that wraps [ErrInvalid] unless exactly one of User,
// Label and All is set, each ID in Except and After is valid and Limit is more than zero.
func (r *EndAllRequest) Check() error {
	if err := selected(r.Limit, r.User != "", r.Label != "", r.All); err != nil {
		return err
	}
	for _, id := range r.Except {
		if !id.Valid() {
			return fmt.Errorf("%w: %.40q in Except is no session's ID", ErrInvalid, string(id))
		}
	}
	return after(r.After)
}

// Check returns an error that wraps [ErrInvalid] unless exactly one of ID, User,
// Label and All is set, After is valid, Limit is more than zero, and Newest, if set, comes
// with User and without After.
func (r *ListRequest) Check() error {
	if err := selected(r.Limit, r.ID != "", r.User != "", r.Label != "", r.All); err != nil {
		return err
	}
	if r.Newest && (r.User == "" || r.After != "") {
		return fmt.Errorf("%w: Newest needs User and no After", ErrInvalid)
	}
	return after(r.After)
}

func after(id ID) error {
	if id != "" && !id.Valid() {
		return fmt.Errorf("%w: %.40q, after which to go on, is no session's ID", ErrInvalid, string(id))
	}
	return nil
}

func selected(limit int, set ...bool) error {
	n := 0
	for _, is := range set {
		if is {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("%w: set exactly one selection; %d are set", ErrInvalid, n)
	}
	if limit <= 0 {
		return fmt.Errorf("%w: limit %d; use 1 or more", ErrInvalid, limit)
	}
	return nil
}
