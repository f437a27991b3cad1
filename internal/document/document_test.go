package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/driver"
)

func TestDocumentKeepsEachByteOfAValue(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`,
		`{"a":1}`,
		`{"z":1,"a":2,"m":3,"":4}`,
		`{"n":9007199254740993,"f":1.10,"e":1E+2,"tiny":1e-400,"big":123456789012345678901234567890,"neg":-0.0}`,
		`{"esc":"\u00e9é\/\"\\","nul":"a\u0000b","lone":"\ud800","pair":"\ud83d\ude00😀","tag":"<&>"}`,
		`{"ws":[1 ,  2,	{ "x" : [ ] }]}`,
		`{"brackets":"}]{[,:\"","next":{"}":"]\\"}}`,
		`{"esc\u0061ped":1,"quote\"d":2,"日本":3}`,
		`{"t":true,"f":false,"n":null}`,
		`{"$cookie":{"maxAge":60},"$later":[1]}`,
		`{"deep":` + strings.Repeat(`[{"a":`, 40) + `1` + strings.Repeat(`}]`, 40) + `}`,
	} {
		d, err := Decode([]byte(text), Cookie)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(d.Encode()); got != text {
			t.Errorf("got  %s\nwant %s", got, text)
		}
	}
}

func TestDocumentDropsSpaceAroundMembersOnly(t *testing.T) {
	t.Parallel()
	d, err := Decode([]byte(" \t\r\n{ \"a\" : [ 1 , 2 ] ,\n\"b\":\t-1.50e+3 }\n"), Cookie)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(d.Encode()), `{"a":[ 1 , 2 ],"b":-1.50e+3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDocumentKeepsTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	d, err := Decode([]byte(`{"c":1,"a":2,"b":3}`), Cookie)
	if err != nil {
		t.Fatal(err)
	}
	d = d.With("a", json.RawMessage(`"new"`)).With("d", json.RawMessage(`4`)).Without("c").Without("absent").With("c", json.RawMessage(`5`))
	if got, want := string(d.Encode()), `{"a":"new","b":3,"d":4,"c":5}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDamagedDocuments(t *testing.T) {
	t.Parallel()
	whole := `{"a":"b","c":[1,{"d":null}]}`
	damaged := []string{
		"", " ", "null", "true", "1", `"text"`, "[]", `[{"a":1}]`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":1,"b":2,"a":1}`,
		`{"a":1}x`, `{"a":1}{}`, `{"a":1},`, `{"a":1,}`, `{,}`, `{"a"}`, `{a:1}`, `{'a':1}`,
		"{\"a\":\"\xff\"}", "{\"\xff\":1}", "{\"a\":\"\xed\xa0\x80\"}", // the last is a surrogate in UTF-8
		"{\"a\":\"\x00\"}", "{\"a\":01}", `{"a":NaN}`, `{"a":.5}`, "\ufeff{}",
		`{"deep":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`,
	}
	for i := range len(whole) {
		damaged = append(damaged, whole[:i])
	}
	for _, text := range damaged {
		if d, err := Decode([]byte(text), Cookie); !errors.Is(err, errDamaged) || d.Len() != 0 {
			t.Errorf("%.60q: decoded to %v, %v", text, d, err)
		}
	}
}

func TestDocumentEqualLooksAtBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{}`, `{}`, true},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, true},
		{`{"a":1}`, `{"a":1.0}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":1}`, `{"a":1,"b":1}`, false},
		{`{"a":1,"b":1}`, `{"a":1,"c":1}`, false},
		{`{"a":null}`, `{"b":null}`, false},
	} {
		a, errA := Decode([]byte(c.a), Cookie)
		b, errB := Decode([]byte(c.b), Cookie)
		if errA != nil || errB != nil || a.Equal(b) != c.want || b.Equal(a) != c.want {
			t.Errorf("%s and %s: equal is not %v (%v, %v)", c.a, c.b, c.want, errA, errB)
		}
	}
}

func nested(levels int) any {
	var v any
	for i := range levels {
		if i%2 == 0 {
			v = []any{v}
		} else {
			v = map[string]any{"k": v}
		}
	}
	return v
}

func TestValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	type field struct{ Name string }
	for what, v := range map[string]any{
		"channel":                    make(chan int),
		"function":                   func() {},
		"NaN":                        math.NaN(),
		"infinity":                   math.Inf(1),
		"complex":                    1i,
		"string":                     "a\xffb",
		"truncated character":        "a\xe2\x82",
		"surrogate":                  "\xed\xa0\x80",
		"map key":                    map[string]int{"a\xff": 1},
		"struct field":               field{"\xff"},
		"behind a backslash":         `\` + "\xff",
		"deep inside":                []any{map[string]any{"a": []string{"ok", "\xff"}}},
		"json.RawMessage":            json.RawMessage("\"\xff\""),
		"half a pair":                json.RawMessage(`"\ud800"`),
		"half a pair, then another":  json.RawMessage(`["\\\udc00\ud800"]`),
		"half a pair, then a letter": json.RawMessage(`{"\ud83d\u0041":1}`),
		"half a pair at the end":     json.RawMessage(`"\ude00x"`),
		"json.RawMessage, no JSON":   json.RawMessage(`{"a":`),
		"json.RawMessage, two":       json.RawMessage(`1 2`),
		"json.Number":                json.Number("1x"),
		"31 levels":                  nested(31),
		"31 levels of RawMessage":    json.RawMessage(strings.Repeat("[", 31) + strings.Repeat("]", 31)),
		"cycle":                      func() any { m := map[string]any{}; m["m"] = m; return m }(),
		"Marshaler that fails":       failingMarshaler{},
		"a pointer to what can't be": &[]any{make(chan int)},
	} {
		if raw, err := EncodeValue(v); !errors.Is(err, driver.ErrValue) {
			t.Errorf("%s: encoded as %.80q, %v", what, raw, err)
		}
	}
}

type failingMarshaler struct{}

func (failingMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

func TestValuesThatAreKept(t *testing.T) {
	t.Parallel()
	for what, v := range map[string]any{
		"30 levels":              nested(30),
		"30 levels, wide":        []any{nested(29), nested(29)},
		"brackets in a string":   strings.Repeat("[{", 100),
		"brackets, quoted quote": `"` + strings.Repeat("[", 100) + `\"`,
		"wide":                   make([][]any, 100),
		"whole pairs":            json.RawMessage(`"\ud83d\ude00\uD83D\uDE00\u00e9\\ud800"`),
		"U+FFFD itself":          "a\ufffdb",
		"the text \\ufffd":       `\ufffd`,
		"the text \\\\ufffd":     `\\ufffd \\\ufffd`,
		"NUL":                    "a\x00b",
		"binary":                 "\x01\x1f\x7f",
		"html":                   "<a href='x'>&\u2028",
		"astral":                 "😀\U0010ffff",
		"empty":                  "",
	} {
		raw, err := EncodeValue(v)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		back := reflect.New(reflect.TypeOf(v))
		if err := DecodeValue(raw, back.Interface(), false); err != nil || !reflect.DeepEqual(back.Elem().Interface(), v) {
			t.Errorf("%s: %q came back as %v, %v", what, raw, back.Elem(), err)
		}
		text := `{"k":` + string(raw) + `}`
		if d, err := Decode([]byte(text), Cookie); err != nil || string(d.Encode()) != text {
			t.Errorf("%s: %q does not pass through a document: %v", what, text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` { "a" : [1, {"b":"}"}] , "c":-1.5E+3} `, `{"\u0061":"\"\\","日":null}`, `{"a":1,"a":2}`, `[]`, "{\"a\":\"\xff\"}", `{"$x":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data, Cookie)
		if err != nil {
			return
		}
		text := d.Encode()
		if !json.Valid(text) {
			t.Fatalf("%q was encoded as %q, which is no JSON", data, text)
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(data, &before); err != nil {
			t.Fatalf("%q is accepted, but not by encoding/json: %v", data, err)
		}
		if err := json.Unmarshal(text, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", data, text)
		}
		again, err := Decode(text, Cookie)
		if err != nil || !again.Equal(d) || !d.Equal(again) || string(again.Encode()) != string(text) {
			t.Fatalf("%q became %q, which decodes to something else: %v", data, text, err)
		}
		for m := range d.All() {
			if raw := again.Get(string(m.Name)); string(raw) != string(m.Raw) {
				t.Fatalf("member %q became %q", m.Raw, raw)
			}
		}
	})
}

// A string has a way of its own, which has to end where that of encoding/json does.
func TestDecodeValueIntoAString(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`""`, `"a"`, `"日本 😀"`, `"a\n"`, `"\u00e9"`, `"\\"`, `"\""`, `null`, `12`, `123`, `true`, `["a"]`, `{"a":1}`} {
		got, want := "before", "before"
		gotErr, wantErr := DecodeValue([]byte(raw), &got, false), json.Unmarshal([]byte(raw), &want)
		if got != want || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s gives %q, %v; encoding/json %q, %v", raw, got, gotErr, want, wantErr)
		}
	}
}

// With many names, as with few, a document is what a list of pairs would be.
func TestDocumentOfManyNamesAgreesWithAList(t *testing.T) {
	t.Parallel()
	type pair struct{ name, raw string }
	random := rand.New(rand.NewPCG(1, 2))
	var d Document
	var list []pair
	for step := range 3000 {
		name, raw := strconv.Itoa(random.IntN(100)), strconv.Itoa(step)
		if name == "0" {
			name = ""
		}
		i := slices.IndexFunc(list, func(p pair) bool { return p.name == name })
		before := d.Clone()
		switch removes := step/150%2 == 1; {
		case !removes && i >= 0:
			list[i].raw = raw
		case !removes:
			list = append(list, pair{name, raw})
		case i >= 0:
			list = slices.Delete(list, i, i+1)
		}
		if step/150%2 == 1 {
			d = d.Without(name)
		} else {
			d = d.With(name, json.RawMessage(raw))
		}
		var want []string
		for _, p := range list {
			want = append(want, fmt.Sprintf("%q:%s", p.name, p.raw))
		}
		text := string(d.Encode())
		if text != "{"+strings.Join(want, ",")+"}" || d.Len() != len(list) {
			t.Fatalf("step %d: %s, want %s", step, text, want)
		}
		again, err := Decode([]byte(text), Cookie)
		same := string(before.Encode()) == text
		if err != nil || !d.Equal(again) || !again.Equal(d) || d.Equal(before) != same || before.Equal(d) != same {
			t.Fatalf("step %d: %s decoded is not equal, or equal to %s", step, text, before.Encode())
		}
	}
	if d = d.WithoutValues(); !d.Empty() || d.Len() != 0 {
		t.Errorf("without values it is %s", d.Encode())
	}
}

type (
	pair[T any] struct{ A, B *T }
	five[T any] = pair[pair[pair[pair[pair[T]]]]]
)

// There may be 2⁴⁰ ways to a type.
func TestATypeIsLookedAtOnce(t *testing.T) {
	t.Parallel()
	if HoldsInterface(reflect.TypeFor[five[five[five[five[five[five[five[five[int]]]]]]]]]()) {
		t.Error("there is no interface in it")
	}
	if !HoldsInterface(reflect.TypeFor[five[five[map[string]any]]]()) {
		t.Error("the interface in it was not found")
	}
}
