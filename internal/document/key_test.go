package document

import (
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

type (
	hidden   struct{ _, _ int }
	embedded struct{ A int }
	Exported struct{ A int }
	node     struct {
		Value any
		Next  *node
	}
	list   []list
	pinned struct{ n int }
	ring   struct {
		*ring //nolint:unused // its type is what matters
		A     int
	}
)

type (
	left  struct{ embedded }
	right struct{ embedded }
)

// oneWay is written as text that its own type can't read.
type oneWay int

func (oneWay) MarshalText() ([]byte, error) { return []byte("one"), nil }

func (p *pinned) MarshalJSON() ([]byte, error) { return json.Marshal(p.n) }
func (p *pinned) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &p.n) }

// tagged is a struct of these fields and tags, some of which vet would not let pass.
func tagged(names ...string) reflect.Type {
	var fields []reflect.StructField
	for i := 0; i < len(names); i += 2 {
		tag := reflect.StructTag("")
		if names[i+1] != "" {
			tag = reflect.StructTag(`json:"` + names[i+1] + `"`)
		}
		fields = append(fields, reflect.StructField{Name: names[i], Type: of[int](), Tag: tag})
	}
	return reflect.StructOf(fields)
}

func of[T any]() reflect.Type { return reflect.TypeFor[T]() }

func TestTypesThatDoNotComeBackAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		is   reflect.Type
		want string
	}{
		{of[chan int](), "can't be stored"},
		{of[func()](), "can't be stored"},
		{of[complex128](), "can't be stored"},
		{of[map[string]func()](), "can't be stored"},
		{of[struct{ F func() }](), ".F: "},
		{of[[]struct{ C chan int }](), ".C: "},
		{of[hidden](), "no exported field"},
		{of[*hidden](), "no exported field"},
		{of[*url.URL](), "url.URL.User: "}, // it would come back without its user
		{of[[]hidden](), "no exported field"},
		{of[struct{ H hidden }](), "no exported field"},
		{of[struct {
			A int `json:"-"`
		}](), "no exported field"},
		{of[struct{ embedded int }](), "no exported field"},
		{of[io.Reader](), "no interface"},
		{of[error](), "no interface"},
		{of[struct{ Err error }](), ".Err: "},
		{of[map[string][]io.Reader](), "no interface"},
		{tagged("A", "x", "B", "x"), `"x" twice`},
		{tagged("A", "B", "C", "B,omitempty", "B", ""), `"B" twice`},
		{tagged("A", "x", "X", "y", "Y", "y"), `"y" twice`},
		{of[struct {
			embedded
			Exported
		}](), `"A" twice`},
		{of[map[struct{ A int }]int](), "no keys"},
		{of[map[float64]int](), "no keys"},
		{of[json.Marshaler](), "no interface"},
		{of[struct{ S fmt.Stringer }](), "no interface"},
		{of[ring](), "embedded pointer"},
		{of[oneWay](), "nothing reads"},
		{of[map[string]*oneWay](), "nothing reads"},
		{of[struct {
			*embedded
			B int
		}](), "embedded pointer"},
		{of[struct {
			left
			right
		}](), `"A" twice`},
		{of[pinned](), "use *"},
		{of[big.Int](), "use *"},
		{of[struct{ N pinned }](), "use *"},
		{of[map[string]pinned](), "use *"},
	} {
		if err := CheckType("k", c.is); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want an error with %q", c.is, err, c.want)
		}
	}
}

func TestTypesThatComeBackAreTaken(t *testing.T) {
	t.Parallel()
	for _, is := range []reflect.Type{
		of[int](), of[string](), of[bool](), of[float32](), of[uintptr](), of[[]byte](), of[[32]byte](), of[any](), of[struct{}](),
		of[json.RawMessage](), of[json.Number](), of[time.Time](), of[time.Duration](), of[netip.Addr](),
		of[*big.Int](), of[[]big.Int](), of[*pinned](), of[[]pinned](), of[*struct{ N pinned }](),
		of[map[string]any](), of[map[int64]string](), of[map[netip.Addr]bool](), of[node](), of[*node](), of[list](),
		of[struct {
			A int
			b int
		}](),
		of[struct {
			embedded
			B int
		}](),
		of[struct {
			embedded
			A string // hides the other, as in Go
		}](),
		of[struct {
			A int `json:"x"`
			X int `json:"X"`
		}](),
		of[struct {
			A int `json:"b"`
			B int `json:"-"`
		}](),
		of[struct {
			X int
			A int `json:"X"` // wins, by its tag
		}](),
		of[struct {
			F func() `json:"-"`
			A int
		}](),
		of[struct{ left }](),
		of[struct {
			*hidden // which JSON skips
			B       int
		}](),
	} {
		if err := CheckType("k", is); err != nil {
			t.Errorf("%v: %v", is, err)
		}
	}
}

// What is refused for its names is what encoding/json leaves out.
func TestJSONKeepsNeitherOfTwo(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		reflect.Zero(tagged("A", "x", "B", "x")).Interface(),
		struct {
			embedded
			Exported
		}{embedded{1}, Exported{2}},
	} {
		if raw, err := json.Marshal(v); string(raw) != "{}" || err != nil {
			t.Errorf("%T: %s, %v", v, raw, err)
		}
	}
}

func TestAManyBranchedTypeIsCheckedOnce(t *testing.T) {
	t.Parallel()
	if err := CheckType("k", of[five[five[five[five[five[five[five[five[int]]]]]]]]]()); err != nil {
		t.Error(err)
	}
}
