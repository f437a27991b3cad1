// Package row is what the stores on the tables of Express applications have in
// common. Those tables have three columns, sid, JSON and expiry, and everything else
// that a row needs is computed from them.
package row

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// Misfit follows the name of a table whose columns have changed.
const Misfit = "is not as it was when it was opened"

// Usable reports whether a column of text can hold the sid at all.
func Usable(sid driver.Verifier) bool {
	return utf8.ValidString(string(sid)) && strings.IndexByte(string(sid), 0) < 0
}

// ErrSid is what Create and Save return for others.
var ErrSid = fmt.Errorf("%w: %w: the session ID is not text that the column can hold", driver.ErrInvalid, driver.ErrValue)

// ID returns the name of the row with this sid: the first 16 bytes of its
// SHA-256, made a UUID. The stores' statements compute the same. It names the
// row in public, because the sid itself is all that a client's cookie proves.
func ID(sid string) driver.ID {
	return driver.ID(uuid.Derive(sid))
}

// Names reports whether the ID is the one that goes with the verifier. Any other
// names no row.
func Names(ref driver.Ref) bool { return ref.ID == ID(string(ref.Verifier)) }

// ErrID is what Create returns for others.
var ErrID = fmt.Errorf("%w: the ID is not the one that goes with the session ID", driver.ErrInvalid)

// Version returns the version of a row with this text, which is more than 0. The
// stores' statements compute the same: the first 60 bits of the SHA-256, plus 1.
func Version(text []byte) driver.Version {
	sum := sha256.Sum256(text)
	return driver.Version(binary.BigEndian.Uint64(sum[:8])>>4) + 1
}

// Idle returns how long a row lives, in microseconds. There is no column for
// an absolute limit, so one can only cut the idle timeout off.
func Idle(life driver.Life) int64 {
	if life.Absolute > 0 {
		return min(life.Idle, life.Absolute).Microseconds()
	}
	return life.Idle.Microseconds()
}

// member is the name under which a user is kept, because there is no column. Node leaves
// members that it does not know unchanged.
const member = "$user"

// QuotedMember is its name, as statements look for them in the text of a row.
const QuotedMember = `"` + member + `"`

// Encode returns the text to store for data that belongs to user. A label has no
// place in it, nor elsewhere in the table.
func Encode(data []byte, user, label string) ([]byte, error) {
	if label != "" {
		return nil, fmt.Errorf("%w: the table of an Express application has no place for a label", driver.ErrInvalid)
	}
	if _, owner := Decode(data); owner != "" {
		return nil, fmt.Errorf("%w: the name %s is the store's own", driver.ErrValue, member)
	}
	if user == "" {
		return data, nil
	}
	if !utf8.ValidString(user) {
		return nil, fmt.Errorf("%w: the user is not UTF-8", driver.ErrValue)
	}
	for found := true; found; { // something else under that name
		data, _, found = cut(data)
	}
	body := bytes.TrimRight(data, jsonSpace)
	open := bytes.TrimLeft(body, jsonSpace)
	if !bytes.HasPrefix(open, []byte("{")) || !bytes.HasSuffix(open[1:], []byte("}")) {
		return nil, fmt.Errorf("%w: the session is not a JSON object", driver.ErrValue)
	}
	last, comma := len(body)-1, ","
	if len(bytes.Trim(open[1:], jsonSpace+"}")) == 0 {
		comma = ""
	}
	return fmt.Appendf(nil, "%s%s%s:%s%s", data[:last], comma, QuotedMember, Quote(user), data[last:]), nil
}

const jsonSpace = " \t\r\n"

// Decode splits the text of a row into the data and the user, "" if it has
// none. Text that is not a JSON object comes back unchanged.
func Decode(text []byte) (data []byte, user string) {
	data = text
	for {
		rest, value, found := cut(data)
		if !found {
			return data, user
		}
		var name string
		if json.Unmarshal(value, &name) != nil || name == "" {
			return text, "" // another program's
		}
		data, user = rest, name
	}
}

// cut takes the first member of that name off a JSON object, and leaves all
// other bytes as they are.
func cut(text []byte) (rest []byte, value json.RawMessage, found bool) {
	if !bytes.Contains(text, []byte(QuotedMember)) || !json.Valid(text) {
		return text, nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if token, _ := d.Token(); token != json.Delim('{') {
		return text, nil, false
	}
	for first := true; d.More(); first = false {
		start := d.InputOffset() // after the bracket or the last value
		name, _ := d.Token()
		if d.Decode(&value) != nil { // deeper than encoding/json goes
			return text, nil, false
		}
		end := d.InputOffset()
		if name != member {
			continue
		}
		if first && d.More() { // then the comma comes after it
			end += int64(bytes.IndexByte(text[end:], ',')) + 1
		}
		return append(bytes.Clone(text[:start]), text[end:]...), value, true
	}
	return text, nil, false
}

// Quote returns a string as JSON, with just the escapes that JavaScript,
// PostgreSQL's jsonb and MySQL's JSON write. So a statement can look for it in a text,
// whichever of them wrote that last.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if short := strings.IndexRune("\"\\\b\f\n\r\t", r); short >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[short])
		} else if r < ' ' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Name returns a name of a table, schema or column as it stands in a statement. PostgreSQL
// would cut a name that is too long, and find another table.
func Name(what, name, quote string, longest int) (string, error) {
	if name == "" || len(name) > longest || strings.Trim(name, wordBytes) != "" {
		return "", fmt.Errorf("%w: %s name %.80q: use 1 to %d ASCII letters, digits, underscores, hyphens and dollar signs",
			driver.ErrInvalid, what, name, longest)
	}
	return quote + name + quote, nil
}

const wordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-$"
