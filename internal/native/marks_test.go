package native_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

// A store with one row of marks, which was last set a second ago.
type marked struct {
	empty
	data string
}

func (m marked) Marks(context.Context, []driver.ID) ([]native.Mark, error) {
	return []native.Mark{{Data: []byte(m.data), Age: time.Second}}, nil
}

func TestMarksInARow(t *testing.T) {
	t.Parallel()
	const id = "01a223b2-4a07-79a8-b01f-12b7c5edc2b6"
	for data, want := range map[string][]driver.SetMark{
		`[{"number":"7"}]`:                                                     {{Number: 7, Age: time.Second}},
		`[{"number":"7","except":["` + id + `"]}]`:                             nil,
		`[{"number":"7"},5,{"number":"8"}]`:                                    {{Number: 7, Age: time.Second}, {Number: 8, Age: time.Second + 5*time.Microsecond}},
		`[{"number":"7","except":["` + id + `"]},0,{"number":"8"}]`:            {{Number: 8, Age: time.Second}},
		`[{"number":"7"},5,{"number":"8","except":["` + id + `"]},1000000]`:    {{Number: 7, Age: time.Second}, {Age: 2*time.Second + 5*time.Microsecond}},
		`[ {"number":"7","except":["` + id + `"]} , 1000000 , {"number":"8"}]`: {{Number: 8, Age: 2 * time.Second}},
	} {
		got, err := native.New("anystore", marked{data: data}, marked{data: data}).Marks(t.Context(), driver.MarksRequest{ID: id})
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", data, got, err, want)
		}
	}
	// What can't be read is not taken for no mark, and excepts nothing.
	for _, data := range []string{
		``, `[]`, `{}`, `null`, `[{"number":"7"},{"number":"8"}]`, `[{"number":"7"},5,6]`, `[{"number":7}]`, `[null]`, `[{}]`,
		`[{"number":"7","except":["` + id + `"]},-1,{"number":"8"}]`, `[{"number":"7","except":["` + id + `"]},5,"8"]`,
	} {
		got, err := native.New("anystore", marked{data: data}, marked{data: data}).Marks(t.Context(), driver.MarksRequest{ID: id})
		if want := []driver.SetMark{{Age: time.Second}}; !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", data, got, err, want)
		}
	}
}
