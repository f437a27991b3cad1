package ops

import (
	"encoding/json"
	"errors"
	"strconv"
	"testing"

	"github.com/sqlsessions/sessions/internal/document"
)

// program reads operations from bytes, two each: on one of the four keys that begin with
// first. The functions of updates depend on their argument alone.
func program(code []byte, first byte) (all List) {
	for ; len(code) > 1; code = code[2:] {
		name, n := string(first+code[0]%4), int(code[1])
		raw := json.RawMessage(strconv.Itoa(n))
		switch code[0] / 4 % 5 {
		case 0, 1:
			all.append(Op{Kind: Set, Name: name, Raw: raw})
		case 2:
			all.append(Op{Kind: Delete, Name: name})
		case 3, 4:
			all.append(Op{Kind: Update, Name: name, Replay: func(old json.RawMessage) (json.RawMessage, error) {
				was, err := strconv.Atoi(string(old))
				if err != nil && old != nil {
					return nil, errors.New("the value is no number")
				}
				return strconv.AppendInt(nil, int64((3*was+n)%1000), 10), nil
			}})
		}
	}
	return all
}

// record does what a request does: it applies each operation to what it has, and keeps what
// has to be saved. It returns the operations that changed something too.
func record(t *testing.T, base Contents, code List) (now Contents, kept, changed List) {
	t.Helper()
	now = base
	for _, o := range code.ops {
		if o.Replay != nil {
			raw, err := o.Replay(now.Doc.Get(o.Name))
			if err != nil {
				t.Fatal(err)
			}
			o.Raw = raw
		}
		var changes bool
		if now, changes = kept.Record(now, o); changes {
			changed.append(o)
		}
	}
	return now, kept, changed
}

func replay(t *testing.T, base Contents, all List) Contents {
	t.Helper()
	now, err := all.Replay(base)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// FuzzMerge merges two requests that began with the same contents.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2}, []byte{0, 3}, []byte{12, 5})
	f.Add([]byte{}, []byte{8, 0, 0, 7}, []byte{16, 9, 8, 0})
	f.Add([]byte{0, 1}, []byte{0, 2, 0, 1}, []byte{12, 1, 0, 1, 12, 1})
	f.Fuzz(func(t *testing.T, start, one, two []byte) {
		if len(start)+len(one)+len(two) > 200 {
			return
		}
		base := replay(t, Contents{}, program(append(start, start...), 'a'))
		base = replay(t, base, program(start, 'e'))
		before := string(base.Doc.Encode())
		now, kept, changed := record(t, base, program(one, 'a'))
		if got := replay(t, base, kept); !got.Equal(now) {
			t.Fatalf("what is kept gives %s, and the request had %s", got.Doc.Encode(), now.Doc.Encode())
		}
		// On top of another request the operations kept are as good as all that changed something.
		same, _, _ := record(t, base, program(two, 'a'))
		if got, want := replay(t, same, kept), replay(t, same, changed); !got.Equal(want) {
			t.Fatalf("on %s what is kept gives %s, and one after the other %s", same.Doc.Encode(), got.Doc.Encode(), want.Doc.Encode())
		}
		// Requests that have no key in common can go in any order.
		_, theirs, _ := record(t, base, program(two, 'e'))
		if ab, ba := replay(t, replay(t, base, kept), theirs), replay(t, replay(t, base, theirs), kept); !ab.Equal(ba) {
			t.Fatalf("%s in one order and %s in the other", ab.Doc.Encode(), ba.Doc.Encode())
		}
		if after := string(base.Doc.Encode()); after != before {
			t.Fatalf("what both began with was %s, and became %s", before, after)
		}
		if _, err := document.Decode(now.Doc.Encode(), document.Cookie); err != nil {
			t.Fatal(err)
		}
	})
}
