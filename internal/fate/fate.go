// Package fate decides what becomes of a session's cookie.
package fate

import "github.com/sqlsessions/sessions/internal/wire"

// A Fate is what becomes of a session's cookie: whether one can still reach the
// browser, and which one has to.
type Fate struct {
	Way       Way
	Secure    bool // as wire.Protocol.Sends says
	Presented bool // the request carried a cookie of our name
	Inherited bool // the session came with a predecessor's cookie, which has to go

	IsNew     bool // the browser does not have the token yet
	Again     bool // it should get the cookie of its token again, if the session still has that token
	Confirmed bool // it had, when the row was last written
	Outdated  bool // the browser was given a newer one: the request came with the one before it

	Drop    bool
	Dropped wire.Attributes // of the stored session whose cookie is dropped, or nil
}

// A Way says whether a cookie can still reach the browser.
type Way int

const (
	Open     Way = iota
	Withheld     // a Secure cookie on plain HTTP
	Gone         // the header has left, or there is no response
)

// Close notes that no cookie can be sent any more and returns how it was.
func (f *Fate) Close() Way {
	was := f.Way
	if was == Open {
		f.Way = Gone
	}
	return was
}

// Due reports whether a stored session's cookie has to be sent.
func (f *Fate) Due() bool { return f.IsNew || f.Again && f.Confirmed && !f.Outdated }

// Destroy notes that the session ended. was are the stored attributes of its cookie, or
// nil if it was not stored.
func (f *Fate) Destroy(was wire.Attributes) {
	if was != nil {
		f.Dropped = was
	}
	f.IsNew, f.Again, f.Outdated, f.Drop = false, false, false, f.Presented
}

// Adopt adds what a commit found out.
func (f *Fate) Adopt(c Fate) {
	f.IsNew = f.IsNew || c.IsNew
	f.Again = f.Again || c.Again
	f.Confirmed = c.Confirmed
	f.Outdated = c.Outdated
}
