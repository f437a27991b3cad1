package document

import (
	"encoding/json"
	"strconv"
	"testing"
)

// However many names came there, they are looked up and not searched, so that a client which
// chooses them can't make each cost more than the one before.
func TestManyNamesAreNotSearched(t *testing.T) {
	t.Parallel()
	var d Document
	for i := range 1000 {
		d = d.With(strconv.Itoa(i), json.RawMessage("1"))
	}
	decoded, err := Decode(d.Encode(), Cookie)
	if err != nil {
		t.Fatal(err)
	}
	for what, d := range map[string]Document{
		"With": d, "Decode": decoded, "Clone": d.Clone(), "Without": d.Clone().Without("7"), "many Without": func() Document {
			fewer := d.Clone()
			for i := range 900 {
				fewer = fewer.Without(strconv.Itoa(i))
			}
			return fewer
		}(),
	} {
		if len(d.places) != d.Len() || d.Len() <= few || 2*len(d.places) < len(d.members) {
			t.Errorf("%s: of %d names %d can be looked up, among %d places", what, d.Len(), len(d.places), len(d.members))
		}
	}
}
