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

func (a *array) begin() {
	a.json = append(a.json, ",["...)
	a.json[0] = '['
}

func (a *array) hex(b []byte) {
	a.json = append(hex.AppendEncode(append(a.json, '"'), b), `",`...)
}

func (a *array) number(n int64) { a.json = append(strconv.AppendInt(a.json, n, 10), ',') }

func (a *array) null() { a.json = append(a.json, "null,"...) }

// text appends text as it is, in UTF-8, with as few escapes as JSON allows.
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

// end ends a row, in place of its last comma.
func (a *array) end() { a.json[len(a.json)-1] = ']' }

// done returns the whole array.
func (a *array) done() ([]byte, error) {
	if a.unfit {
		return nil, errUnfit
	}
	return append(a.json, ']'), nil
}
