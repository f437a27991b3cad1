package takeover

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
)

// imported is the member of a copy that an import made and that was not used yet. Its
// value is a copyNote.
const imported = "$imported"

// A copyNote says what was copied. A copy stays until the old cookie means nothing, because
// once it expired it could not be brought up to date: so when its original expires is
// noted beside it.
type copyNote struct {
	Digest string `json:"digest"` // of what was copied
	// Left is what is left of the row's absolute lifetime when the original expires, in
	// milliseconds: by the clock of the store, as all that decides.
	Left int64 `json:"left"`
}

// A copyOf is what an import writes.
type copyOf struct {
	driver.Row               // without the note
	total      time.Duration // until the row expires
	left       time.Duration // until the original does
	note       copyNote
}

// newCopy returns what to write for an old row that became next.
func (p *predecessor) newCopy(row, next driver.Row) copyOf {
	c := copyOf{Row: next, left: p.lasts(row.ExpiresIn)}
	c.total = max(p.keep(), c.left)
	sum := sha256.Sum256([]byte(next.User + "\x00" + string(next.Data)))
	c.note = copyNote{hex.EncodeToString(sum[:8]), (c.total - c.left).Milliseconds()}
	return c
}

func (c *copyOf) life() driver.Life { return driver.Life{Idle: c.total, Absolute: c.total} }

// noted returns the data with the note.
func (c *copyOf) noted(member string) ([]byte, error) {
	doc, err := document.Decode(c.Data, member)
	if err != nil {
		return nil, err
	}
	note, err := json.Marshal(c.note)
	return doc.With(imported, note).Encode(), err
}

// noteIn returns the note in a row's document, or an empty one.
func noteIn(doc document.Document) (note copyNote) {
	_ = json.Unmarshal(doc.Get(imported), &note)
	return note
}

// left returns how long the original of a pending row still lives.
func left(row driver.Row, doc document.Document) time.Duration {
	if doc.Get(imported) == nil {
		return row.ExpiresIn
	}
	return row.AbsoluteIn - time.Duration(noteIn(doc).Left)*time.Millisecond
}

func (p *predecessor) Lives(row driver.Row, doc document.Document) bool { return left(row, doc) > 0 }
