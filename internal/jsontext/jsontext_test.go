package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/internal/jsontext"
)

func TestMembersKeepTheirBytes(t *testing.T) {
	t.Parallel()
	members, ok := jsontext.Object([]byte(" \t{ \"a\" : [ 1 , {\"x\":\"}\"} ] ,\n\"\\u00e9\\\"\":\t-1.50e+3,\"\":\"\" }\r\n"), nil)
	want := []string{`"a"=[ 1 , {"x":"}"} ]`, `"\u00e9\""=-1.50e+3`, `""=""`}
	if !ok || len(members) != len(want) {
		t.Fatalf("%d members, %v", len(members), ok)
	}
	for i, m := range members {
		if got := string(m.Name) + "=" + string(m.Value); got != want[i] {
			t.Errorf("member %d is %s, want %s", i, got, want[i])
		}
	}
}

// agrees compares with the standard library, which is the authority.
func agrees(t *testing.T, text string) {
	t.Helper()
	want := json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{")
	members, ok := jsontext.Object([]byte(text), nil)
	if ok != want {
		t.Fatalf("%.200q: %v, want %v", text, ok, want)
	}
	if !ok {
		return
	}
	var b strings.Builder
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(m.Name) + ":" + string(m.Value))
		if !json.Valid(m.Name) || !json.Valid(m.Value) {
			t.Fatalf("%.200q: member %s:%s", text, m.Name, m.Value)
		}
	}
	var whole, parts map[string]any
	first, second := json.Unmarshal([]byte(text), &whole), json.Unmarshal([]byte("{"+b.String()+"}"), &parts)
	if (first == nil) != (second == nil) || len(whole) != len(parts) {
		t.Fatalf("%.200q has %d keys, its members %d", text, len(whole), len(parts))
	}
}

// seeds are values, right and wrong; each is tried alone, in an object and in an array.
var seeds = []string{
	``, `{}`, `[]`, `{ }`, `[ ]`, `{,}`, `[,]`, `[1,]`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1}}`, `{"a":1}x`, `{`, `[`, `{"`, `{"a`, `{"a":`, `{"a":1`, `[1`,
	`0`, `-0`, `00`, `01`, `-`, `+1`, `1.`, `.5`, `1.5`, `1e`, `1e+`, `1E-9`, `1e5.`, `-1.50e+3`, `0x1`, `1 2`, `12345678901234567890`, `Infinity`, `NaN`,
	`true`, `tru`, `truex`, `True`, `false`, `fals`, `null`, `nul`, `nullnull`, ` null `,
	`"`, `""`, `"a`, `"\`, `"\"`, `"\\"`, `"\/\b\f\n\r\t"`, `"\x"`, `"\u"`, `"\u12"`, `"\u123g"`, `"\u00E9"`, `"\ud800"`, "\"\x00\"", "\"\n\"", "\"\x1f\"", "\"\x7f\xff\"", `'a'`, `"é😀"`,
	`[1,[2,[3,{"a":[{}]}]]]`, `{"a":{"b":{"c":[]}}}`, `{"a":1,"a":2}`, "\ufeff{}", "\v{}", `{"a" 1}`, `[1 2]`, `[1,,2]`, `{1:2}`, `{"a":[}`, `{"a":[1}`, `]`, `}`, `,`, `:`, `//`, `{/**/}`,
}

func TestItTakesWhatTheStandardLibraryTakes(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		for _, around := range []string{"%", `{"k":%}`, `{"k": % , "l" : % }`, `{"k":[%]}`, `{"k":[[%],%]}`, " {%} ", `{"k":{"l":%}}`, `{"x\"%":1}`} {
			agrees(t, strings.ReplaceAll(around, "%", seed))
		}
		for i := range seed { // what is cut off
			agrees(t, `{"k":`+seed[:i])
		}
	}
}

func TestDepthIsLimited(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100, 9_998, 9_999, 10_000, 10_001, 100_000} {
		agrees(t, `{"k":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`)
		agrees(t, strings.Repeat(`{"k":`, n)+"1"+strings.Repeat("}", n))
	}
}

func FuzzObject(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
		f.Add(`{"k":` + seed + `}`)
	}
	f.Fuzz(agrees)
}
