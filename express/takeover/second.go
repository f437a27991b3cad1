package takeover

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
)

// second is the member of a session here that says what its old cookie is still good for.
// While it is unused, the browser has not sent the new cookie yet: the response that
// brought it may have been lost. Then it is how old the session's token was, in
// milliseconds by the store's clock, when the browser first did.
const second = "$oldCookie"

var unused = json.RawMessage("true")

// grace is how long the old cookie opens the session after that: another tab may still
// be loading.
const grace = time.Minute

func (p *predecessor) Note(row driver.Row, doc document.Document) (name string, value json.RawMessage) {
	if !bytes.Equal(doc.Get(second), unused) || p.over() {
		return "", nil
	}
	return second, strconv.AppendInt(nil, row.VerifierAge.Milliseconds(), 10)
}

// accepts reports whether the old cookie still opens a session that is in use. A new token
// has closed it to the old cookie at once: its row was not found then.
func accepts(row driver.Row, doc document.Document) bool {
	since := doc.Get(second)
	if bytes.Equal(since, unused) {
		return true
	}
	ms, err := strconv.ParseInt(string(since), 10, 64)
	return err == nil && row.VerifierAge < time.Duration(ms)*time.Millisecond+grace
}
