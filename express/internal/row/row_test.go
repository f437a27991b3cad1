package row

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

func TestEncodeAndDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ data, user, text string }{
		{`{}`, "", `{}`},
		{`{}`, "alice", `{"$user":"alice"}`},
		{` { } `, "alice", ` { "$user":"alice"} `},
		{`{"a":{}}`, "alice", `{"a":{},"$user":"alice"}`},
		{"{\"cookie\":{},\n \"n\" : 1.10 }\n", "a\"b\\\t\x01é😀\u2028", "{\"cookie\":{},\n \"n\" : 1.10 ,\"$user\":\"a\\\"b\\\\\\t\\u0001é😀\u2028\"}\n"},
		{`{"a":"\"$user\":\"bob\"","b":{"$user":"bob"}}`, "", `{"a":"\"$user\":\"bob\"","b":{"$user":"bob"}}`},
		{`{"b":{"$user":"bob"}}`, "alice", `{"b":{"$user":"bob"},"$user":"alice"}`},
		{`{"$user":7,"a":1}`, "", `{"$user":7,"a":1}`},
	} {
		text, err := Encode([]byte(c.data), c.user, "")
		if err != nil || string(text) != c.text {
			t.Errorf("Encode(%s, %q) = %s, %v; want %s", c.data, c.user, text, err, c.text)
		}
		if data, user := Decode([]byte(c.text)); string(data) != c.data || user != c.user {
			t.Errorf("Decode(%s) = %s, %q; want %s, %q", c.text, data, user, c.data, c.user)
		}
	}
}

// Node and parsed columns put the member elsewhere.
func TestDecodeFindsTheMemberAnywhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"$user":"alice","a":1}`:                 `{"a":1}`,
		`{"$user": "alice" , "a": 1}`:             `{ "a": 1}`,
		`{"a":1,"$user":"alice","b":2}`:           `{"a":1,"b":2}`,
		`{"a": 1, "$user": "alice", "cookie": 2}`: `{"a": 1, "cookie": 2}`,
		`{"$user":"bob","a":1,"$user":"alice"}`:   `{"a":1}`,
	} {
		if data, user := Decode([]byte(text)); string(data) != want || user != "alice" {
			t.Errorf("Decode(%s) = %s, %q; want %s", text, data, user, want)
		}
	}
}

func TestDecodeLeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `null`, `[]`, `["$user"]`, `"$user"`, `{"$user":null}`, `{"$user":""}`, `{"$user":["alice"]}`,
		`{"$user":"alice","$user":1}`, `{"$user":"alice"`, `{"$user":"alice"}}`, `{"$user":}`, `{"a":{"$user":"x"}}`, `{"$User":"x"}`,
	} {
		if data, user := Decode([]byte(text)); string(data) != text || user != "" {
			t.Errorf("Decode(%s) = %s, %q", text, data, user)
		}
	}
}

func TestEncodeRefusesWhatItCouldNotGiveBack(t *testing.T) {
	t.Parallel()
	for data, user := range map[string]string{
		`{"$user":"bob"}`: "", `{"a":1,"$user":"bob"}`: "alice", `[]`: "alice", ``: "alice", `{`: "alice", `}`: "alice", `{"a":1}`: "\xff",
	} {
		if text, err := Encode([]byte(data), user, ""); !errors.Is(err, driver.ErrValue) {
			t.Errorf("Encode(%s, %q) = %s, %v", data, user, text, err)
		}
	}
	if text, err := Encode([]byte(`{"$user":7,"a":1}`), "alice", ""); err != nil || string(text) != `{"a":1,"$user":"alice"}` {
		t.Errorf("over something else: %s, %v", text, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"$user":"alice","a":1}`, `{ "a" : {} , "$user":"\u0041" }`, `{"$user":{"$user":1}}`, `[{"$user":"x"}]`, strings.Repeat("[", 20_000) + `"$user"`} {
		f.Add([]byte(seed), "bob")
	}
	f.Fuzz(func(t *testing.T, text []byte, user string) {
		data, owner := Decode(text)
		if json.Valid(text) && !json.Valid(data) {
			t.Fatalf("%q became %q", text, data)
		}
		if owner == "" && string(data) != string(text) {
			t.Fatalf("%q became %q without a user", text, data)
		}
		if again, err := Encode(data, user, ""); err == nil && json.Valid(data) {
			if back, owner := Decode(again); owner != user || user == "" && string(back) != string(data) || !json.Valid(again) {
				t.Fatalf("%q of %q was stored as %q", data, user, again)
			}
		}
	})
}

func TestQuoteIsJSON(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := range rune(0x3000) {
		all.WriteRune(r)
	}
	var back string
	if err := json.Unmarshal([]byte(Quote(all.String())), &back); err != nil || back != all.String() {
		t.Errorf("%v, or another text", err)
	}
	if got := Quote("<\u2028\x7f\x1f\b\f\n\r\t\"\\/"); got != `"<`+"\u2028\x7f"+`\u001f\b\f\n\r\t\"\\/"` {
		t.Errorf("got %s", got)
	}
}

func TestEncodeRefusesALabel(t *testing.T) {
	t.Parallel()
	if text, err := Encode([]byte(`{}`), "alice", "device"); !errors.Is(err, driver.ErrInvalid) {
		t.Errorf("encoded %s, %v", text, err)
	}
}

// The digests are those of `printf sid | sha256sum`.
func TestIDAndVersion(t *testing.T) {
	t.Parallel()
	for sid, want := range map[string]driver.ID{
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef": "918c28f7-3f02-8fcb-a531-02a34bf5fbc3",
		"":                                 "e3b0c442-98fc-8c14-9afb-f4c8996fb924",
		"é😀":                               "1184d1f6-0815-8eea-89d2-975655758922",
	} {
		id := ID(sid)
		if id != want || !id.Valid() {
			t.Errorf("ID(%q) = %s, want %s", sid, id, want)
		}
		if !Names(driver.Ref{ID: id, Verifier: driver.Verifier(sid)}) {
			t.Errorf("%s does not name %q", id, sid)
		}
		for _, other := range []driver.Ref{{Verifier: driver.Verifier(sid)}, {ID: id, Verifier: driver.Verifier(sid + " ")}, {ID: id + " ", Verifier: driver.Verifier(sid)}} {
			if Names(other) {
				t.Errorf("%q passes for the name of %q", other.ID, string(other.Verifier))
			}
		}
	}
	if v := Version([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")); v != 0x918c28f73f02ffc+1 {
		t.Errorf("version %#x", int64(v))
	}
}

func TestUsable(t *testing.T) {
	t.Parallel()
	for sid, want := range map[driver.Verifier]bool{"": true, "a b": true, "é😀": true, "a\x00": false, "a\xff": false} {
		if Usable(sid) != want {
			t.Errorf("%q: not %v", string(sid), want)
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	for life, want := range map[driver.Life]int64{
		{Idle: time.Hour}:                          3_600_000_000,
		{Idle: time.Hour, Absolute: 2 * time.Hour}: 3_600_000_000,
		{Idle: time.Hour, Absolute: time.Second}:   1_000_000,
	} {
		if got := Idle(life); got != want {
			t.Errorf("%v: %d", life, got)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"session": true, "User-Sessions": true, "1st$_": true, strings.Repeat("n", 63): true,
		"": false, strings.Repeat("n", 64): false, `a"b`: false, "a`b": false, "a.b": false, "a b": false, "a?": false, "{a}": false, "é": false, "\xff": false, "a\x00": false,
	} {
		quoted, err := Name("table", name, `"`, 63)
		if want != (err == nil) || err != nil && !errors.Is(err, driver.ErrInvalid) || want && quoted != `"`+name+`"` {
			t.Errorf("%q: %s, %v", name, quoted, err)
		}
	}
}
