package ops

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"
)

// However many names there are, what is recorded gives the same when it is applied again,
// and holds no more than one operation a name but for updates.
func TestAListOfManyNamesGivesTheSameAgain(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for names := 1; names < 60; names += 7 {
		var base Contents
		for i := range names / 2 {
			base.Doc = base.Doc.With(strconv.Itoa(i), json.RawMessage("-1"))
		}
		now, list, all := base, List{}, 0
		for step := range 200 {
			o := Op{Kind: Set, Name: strconv.Itoa(random.IntN(names + 1)), Raw: json.RawMessage(strconv.Itoa(step % 7))}
			switch random.IntN(50) {
			case 0:
				o = Op{Kind: Clear}
			case 1, 2, 3, 4, 5:
				raw := o.Raw
				o.Kind, o.Replay = Update, func(json.RawMessage) (json.RawMessage, error) { return raw, nil }
				all++
			case 6, 7, 8, 9:
				o.Kind, o.Raw = Delete, nil
			}
			before := now.Doc.Clone()
			next, changed := list.Record(now, o)
			if !changed && !next.Doc.Equal(before) {
				t.Fatalf("%d names, step %d: %+v changes nothing, and the document", names, step, o)
			}
			now = next
			again, err := list.Replay(base)
			if err != nil || !again.Equal(now) {
				t.Fatalf("%d names, step %d: %s again, %s at first; %v", names, step, again.Doc.Encode(), now.Doc.Encode(), err)
			}
			if clone := list.Clone(); clone.Len() != list.Len() || list.Len() > names+2+all {
				t.Fatalf("%d names, step %d: %d operations, %d in the copy", names, step, list.Len(), clone.Len())
			}
		}
	}
}

// However many names there are, what was done to one is looked up and not searched.
func TestManyNamesAreNotSearched(t *testing.T) {
	t.Parallel()
	var now Contents
	var list List
	for round := range 3 {
		for i := range 1000 {
			raw := json.RawMessage(strconv.Itoa(round))
			now, _ = list.Record(now, Op{Kind: Set, Name: strconv.Itoa(i), Raw: raw})
		}
		copied := list.Clone()
		for what, l := range map[string]*List{"recorded": &list, "cloned": &copied} {
			if len(l.places) != 1000 || l.Len() != 1000 || len(l.ops) > 2001 {
				t.Errorf("%s, round %d: %d names can be looked up, with %d operations in %d places", what, round, len(l.places), l.Len(), len(l.ops))
			}
		}
	}
}

// Nothing is written, nor wins over what another request makes of a value, for an operation
// that changes nothing.
func TestWhatChangesNothingIsNotRecorded(t *testing.T) {
	t.Parallel()
	for _, others := range []int{0, 40} {
		var base Contents
		base.Doc = base.Doc.With("a", json.RawMessage("1"))
		var list List
		now := base
		for i := range others {
			now, _ = list.Record(now, Op{Kind: Set, Name: "other" + strconv.Itoa(i), Raw: json.RawMessage("2")})
		}
		for _, o := range []Op{{Kind: Set, Name: "a", Raw: json.RawMessage("1")}, {Kind: Delete, Name: "b"}} {
			if _, changed := list.Record(now, o); changed || list.Len() != others {
				t.Errorf("beside %d others %+v was recorded", others, o)
			}
		}
		now, _ = list.Record(now, Op{Kind: Set, Name: "a", Raw: json.RawMessage("3")})
		if _, changed := list.Record(now, Op{Kind: Set, Name: "a", Raw: json.RawMessage("3")}); !changed {
			t.Errorf("beside %d others a value that was set before was not recorded", others)
		}
	}
}
