package mysqlstore

import (
	"encoding/hex"
	"errors"
	"strconv"
	"unicode/utf8"
)

// An array is the rows of a statement for many, as a JSON array of arrays.
type array struct {
	json  []byte
	unfit bool // there is text that JSON can't carry as it is
}

var errUnfit = errors.New("not for a statement for many rows")

// done returns the whole array.
func (a *array) done() ([]byte, error) {
	if a.unfit {
		return nil, errUnfit
	}
	return append(a.json, ']'), nil
}

// save adds a row of $SAVES.
func (a *array) save(w *write) {
	a.begin(w)
	a.number(int64(w.Version))
	a.number(idle(w.Life))
	a.end(w)
}

// row adds a row of $ROWS.
func (a *array) row(w *write) {
	a.begin(w)
	a.number(int64(w.Version))
	a.number(idle(w.Life))
	if w.Life.Absolute > 0 {
		a.number(w.Life.Absolute.Microseconds())
	} else {
		a.null()
	}
	if w.Authenticated {
		a.number(1)
	} else {
		a.number(0)
	}
	if w.Verifier != w.From.Verifier {
		a.hex([]byte(w.Verifier))
	} else {
		a.null()
	}
	a.end(w)
}

// touch adds a row of $TOUCHES.
func (a *array) touch(w *write) {
	a.begin(w)
	a.hex([]byte(w.From.Verifier))
	a.number(w.Life.Idle.Microseconds())
	a.number(w.Life.Throttle.Microseconds())
	a.close()
}

func (a *array) begin(w *write) {
	a.json = append(a.json, ",["...)
	a.json[0] = '[' // the first has no comma before it
	a.hex(w.id[:])
}

func (a *array) end(w *write) {
	a.name(w.User)
	a.name(w.Label)
	a.text(w.Data)
	a.close()
}

// close puts a bracket in place of the last comma.
func (a *array) close() { a.json[len(a.json)-1] = ']' }

func (a *array) number(n int64) { a.json = append(strconv.AppendInt(a.json, n, 10), ',') }

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
	a.unfit = a.unfit || !utf8.Valid(text)
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
