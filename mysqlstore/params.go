package mysqlstore

import (
	"encoding/hex"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// null returns NULL for "". NULLIF would not do: in many collations " " is equal to "".
func null(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// idle is how many microseconds a row lives unless it is used.
func idle(life driver.Life) int64 {
	if life.Absolute > 0 {
		return min(life.Idle, life.Absolute).Microseconds()
	}
	return life.Idle.Microseconds()
}

// span is NULL for none: an absolute expiry that stays, or nothing to keep.
func span(d time.Duration) any {
	if d <= 0 {
		return nil
	}
	return d.Microseconds()
}

// previous returns the verifier that has a grace, or NULL.
func previous(w *native.Write) any {
	if w.Grace <= 0 || w.Verifier == w.From.Verifier {
		return nil
	}
	return []byte(w.From.Verifier)
}

// An array is the rows of a statement for many, as a JSON array of arrays.
type array struct {
	json    []byte
	notUTF8 bool // there is text that JSON can't carry unchanged
}

var errNotUTF8 = errors.New("text that is not UTF-8 can't be in a statement for many rows")

// done returns the whole array.
func (a *array) done() ([]byte, error) {
	if a.notUTF8 {
		return nil, errNotUTF8
	}
	return append(a.json, ']'), nil
}

// row adds a row of $ROWS.
func (a *array) row(w *native.Write) {
	a.open(w)
	a.number(int64(w.NewVersion))
	a.number(idle(w.Life))
	a.span(w.Life.Absolute)
	a.flag(w.Authenticated)
	a.flag(w.Pending)
	a.hex([]byte(w.Verifier))
	a.span(w.Keep)
	a.name(w.User)
	a.name(w.Label)
	a.text(w.Data)
	a.close()
}

// touch adds a row of $TOUCHES.
func (a *array) touch(w *native.Write) {
	a.open(w)
	a.hex([]byte(w.From.Verifier))
	a.number(w.Life.Idle.Microseconds())
	a.number(w.Life.Throttle.Microseconds())
	a.close()
}

// open begins a row, with its ID.
func (a *array) open(w *native.Write) {
	a.json = append(a.json, ",["...)
	a.json[0] = '[' // the first has no comma before it
	a.hex(w.Key[:])
}

// close ends a row, with a bracket instead of the last comma.
func (a *array) close() { a.json[len(a.json)-1] = ']' }

func (a *array) number(n int64) { a.json = append(strconv.AppendInt(a.json, n, 10), ',') }

func (a *array) flag(set bool) {
	if set {
		a.number(1)
	} else {
		a.number(0)
	}
}

// span appends a duration, or null for none.
func (a *array) span(d time.Duration) {
	if d > 0 {
		a.number(d.Microseconds())
	} else {
		a.null()
	}
}

func (a *array) null() { a.json = append(a.json, "null,"...) }

func (a *array) hex(b []byte) {
	a.json = append(hex.AppendEncode(append(a.json, '"'), b), `",`...)
}

// name appends text, or null for "".
func (a *array) name(text string) {
	if text == "" {
		a.null()
	} else {
		a.text([]byte(text))
	}
}

// text appends text with as few escapes as JSON allows.
func (a *array) text(text []byte) {
	a.notUTF8 = a.notUTF8 || !utf8.Valid(text)
	a.json = append(a.json, '"')
	from := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		a.json = append(a.json, text[from:i]...)
		if from = i + 1; c < ' ' {
			a.json = append(a.json, `\u00`...)
			a.json = hex.AppendEncode(a.json, text[i:i+1])
		} else {
			a.json = append(a.json, '\\', c)
		}
	}
	a.json = append(append(a.json, text[from:]...), `",`...)
}
